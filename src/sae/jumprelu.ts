/**
 * JumpReLU encode and decode on plain loops: the definition, and the slow twin of `runner.ts`.
 * Source: arXiv:2407.14435; names as in google/gemma-scope.
 */

import type { Sae, SparseActs } from './types.ts'

/**
 * JumpReLU encoder: `acts = pre_acts * (pre_acts > threshold)`, `pre_acts = x W_enc + b_enc`.
 * @param x [n, d_in], in the model's own scale, taken at `sae.hook_name`.
 * @returns acts of n rows, only the active latents.
 * @throws RangeError if `x.length` is not a multiple of `d_in`.
 */
export function encode(sae: Sae, x: Float32Array): SparseActs {
  const { d_in, d_sae, W_enc, b_enc, threshold } = sae
  const n = rowCount('encode', sae, x)
  const row_start = new Int32Array(n + 1)
  const index: number[] = []
  const value: number[] = []
  for (let row = 0; row < n; row++) {
    for (let latent = 0; latent < d_sae; latent++) {
      let pre_act = b_enc[latent]!
      for (let k = 0; k < d_in; k++) pre_act += x[row * d_in + k]! * W_enc[k * d_sae + latent]!
      if (pre_act > threshold[latent]!) {
        index.push(latent)
        value.push(pre_act)
      }
    }
    row_start[row + 1] = index.length
  }
  return { n, d_sae, row_start, index: Int32Array.from(index), value: Float32Array.from(value) }
}

/**
 * Decoder: `recon = acts W_dec + b_dec`, summed over active latents only.
 * @returns recon [n, d_in].
 * @throws RangeError if `acts` come from an SAE of another width.
 */
export function decode(sae: Sae, acts: SparseActs): Float32Array {
  const { d_in, d_sae, W_dec, b_dec } = sae
  if (acts.d_sae !== d_sae) {
    throw new RangeError(
      `decode: acts have ${acts.d_sae} latents, expected d_sae ${d_sae}. Were they made by another SAE?`,
    )
  }
  const recon = new Float32Array(acts.n * d_in)
  for (let row = 0; row < acts.n; row++) {
    const out = recon.subarray(row * d_in, (row + 1) * d_in)
    out.set(b_dec)
    const end = acts.row_start[row + 1]!
    for (let entry = acts.row_start[row]!; entry < end; entry++) {
      const act = acts.value[entry]!
      const start = acts.index[entry]! * d_in
      for (let k = 0; k < d_in; k++) out[k] = out[k]! + act * W_dec[start + k]!
    }
  }
  return recon
}

/**
 * Rows of an activation matrix for an SAE.
 * @throws RangeError if `x.length` is not a multiple of `d_in`.
 */
export function rowCount(caller: string, sae: Sae, x: Float32Array): number {
  const n = x.length / sae.d_in
  if (Number.isInteger(n)) return n
  throw new RangeError(
    `${caller}: x has ${x.length} numbers, expected a multiple of d_in ${sae.d_in} (SAE at ${sae.hook_name}). ` +
      'Was this SAE trained on another model?',
  )
}
