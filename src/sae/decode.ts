/** Decode on plain loops: the definition, and the slow twin of `runner.ts`. */

import { outputSite } from './shapes.ts'
import type { Sae, SparseActs } from './types.ts'

/**
 * Decoder: `recon = acts W_dec + b_dec`, summed over active latents only, `+ x W_skip` where a transcoder has one.
 * @param x [n, d_in], what `acts` were encoded from; needed only with W_skip.
 * @returns recon [n, d_out], at `outputSite(sae)`.
 * @throws RangeError if `acts` come from an SAE of another width, or W_skip needs an x that is absent or of another size.
 */
export function decode(sae: Sae, acts: SparseActs, x?: Float32Array): Float32Array {
  const { d_in, b_dec } = sae
  const { d } = outputSite(sae)
  const skip = skipInput(sae, acts, x)
  const recon = new Float32Array(acts.n * d)
  for (let row = 0; row < acts.n; row++) {
    const out = recon.subarray(row * d, (row + 1) * d)
    out.set(b_dec)
    if (skip === undefined) continue
    for (let i = 0; i < d_in; i++) addScaled(out, skip.x[row * d_in + i]!, skip.W_skip, i * d)
  }
  addActive(sae, acts, recon)
  return recon
}

/** Adds `acts W_dec` to recon [n, d_out]. */
export function addActive(sae: Sae, acts: SparseActs, recon: Float32Array): void {
  const { d } = outputSite(sae)
  for (let row = 0; row < acts.n; row++) {
    const out = recon.subarray(row * d, (row + 1) * d)
    const end = acts.row_start[row + 1]!
    for (let entry = acts.row_start[row]!; entry < end; entry++) {
      addScaled(out, acts.value[entry]!, sae.W_dec, acts.index[entry]! * d)
    }
  }
}

/**
 * The skip's matrix and input, `undefined` where there is no skip.
 * @throws RangeError as `decode`.
 */
export function skipInput(
  sae: Sae,
  acts: SparseActs,
  x: Float32Array | undefined,
): { readonly W_skip: Float32Array; readonly x: Float32Array } | undefined {
  const { d_in, d_sae, hook_name, transcoder } = sae
  if (acts.d_sae !== d_sae) {
    throw new RangeError(
      `decode: acts have ${acts.d_sae} latents, expected d_sae ${d_sae}. Were they made by another SAE?`,
    )
  }
  const W_skip = transcoder?.W_skip
  if (W_skip === undefined) return undefined
  if (x?.length === acts.n * d_in) return { W_skip, x }
  throw new RangeError(
    `decode: x has ${x?.length ?? 'no'} numbers, expected [${acts.n}, ${d_in}]: this transcoder has W_skip, so it needs the ` +
      `activations at ${hook_name} that the acts were encoded from.`,
  )
}

/** `out += scale * matrix[start .. start + out.length]` */
function addScaled(out: Float32Array, scale: number, matrix: Float32Array, start: number): void {
  for (let j = 0; j < out.length; j++) out[j] = out[j]! + scale * matrix[start + j]!
}
