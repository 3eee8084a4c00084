/**
 * JumpReLU: a latent is on where its pre-activation is above its own threshold.
 * Source: arXiv:2407.14435; names as in google/gemma-scope.
 */

/**
 * The active latents of one token: those with `pre_acts > threshold`, ascending. The definition.
 * @param pre_acts [d_sae]
 * @param threshold [d_sae]
 */
export function jumprelu(pre_acts: Float32Array, threshold: Float32Array): number[] {
  return [...pre_acts.keys()].filter((latent) => pre_acts[latent]! > threshold[latent]!)
}

/**
 * The same, written behind what `index` and `value` hold already.
 * @param at entries held; there must be room for d_sae more.
 * @returns entries held now.
 */
export function selectJumprelu(
  pre_acts: Float32Array,
  threshold: Float32Array,
  index: Int32Array,
  value: Float32Array,
  at: number,
): number {
  let nnz = at
  for (let latent = 0; latent < pre_acts.length; latent++) {
    const pre_act = pre_acts[latent]!
    if (pre_act > threshold[latent]!) {
      index[nnz] = latent
      value[nnz] = pre_act
      nnz++
    }
  }
  return nnz
}
