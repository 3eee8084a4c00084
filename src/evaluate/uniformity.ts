/** Uniformity: whether a token's active latents matter about equally, or a few of them alone. */

/**
 * `r_L0 = exp(S) / ||y||_0`, `S = -sum_i p_i ln p_i`, `p = |y| / sum |y|`: the share of the active latents that effectively
 * matters; 1 where all matter equally, `1 / ||y||_0` where one does. It is `exp(-KL(p, uniform))`.
 * @param y importance of each active latent, of any sign (`importance.ts`).
 * @returns `undefined` where none has any importance.
 * Source: arXiv:2408.05147, appendix C.3, eq. 12 to 14.
 */
export function uniformity(y: ArrayLike<number>): number | undefined {
  const sizes = Array.from(y, Math.abs).filter((size) => size > 0)
  if (sizes.length === 0) return undefined
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const entropy = sizes.reduce((sum, size) => sum - (size / total) * Math.log(size / total), 0)
  return Math.exp(entropy) / sizes.length
}
