/** Encode on plain loops: the definition, and the slow twin of `runner.ts`. */

import { jumprelu } from './jumprelu.ts'
import { topk } from './topk.ts'
import type { Sae, SparseActs } from './types.ts'

/**
 * Encoder: `pre_acts = x W_enc + b_enc`, of which the architecture keeps some as `acts`; the others are 0.
 * @param x [n, d_in], in the model's own scale, taken at `sae.hook_name`.
 * @returns acts of n rows, only the active latents.
 * @throws RangeError if `x.length` is not a multiple of `d_in`.
 */
export function encode(sae: Sae, x: Float32Array): SparseActs {
  const { d_in, d_sae, W_enc, b_enc } = sae
  const n = rowCount('encode', sae, x)
  const row_start = new Int32Array(n + 1)
  const index: number[] = []
  const value: number[] = []
  const pre_acts = new Float32Array(d_sae)
  for (let row = 0; row < n; row++) {
    for (let latent = 0; latent < d_sae; latent++) {
      let pre_act = b_enc[latent]!
      for (let i = 0; i < d_in; i++) pre_act += x[row * d_in + i]! * W_enc[i * d_sae + latent]!
      pre_acts[latent] = pre_act
    }
    for (const latent of activeLatents(sae, pre_acts)) {
      index.push(latent)
      value.push(pre_acts[latent]!)
    }
    row_start[row + 1] = index.length
  }
  return { n, d_sae, row_start, index: Int32Array.from(index), value: Float32Array.from(value) }
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

function activeLatents(sae: Sae, pre_acts: Float32Array): number[] {
  switch (sae.architecture) {
    case 'jumprelu':
      return jumprelu(pre_acts, sae.threshold)
    case 'topk':
      return topk(pre_acts, sae.k!)
    default:
      return sae.architecture satisfies never
  }
}
