/** L0: how many latents describe a token. */

/**
 * `l0 = E ||f(x)||_0`: mean number of active latents a token.
 * @param n_active [d_sae] tokens on which each latent fired.
 * @param n_tokens tokens looked at.
 * Source: arXiv:2408.05147 §4.
 */
export function l0(n_active: ArrayLike<number>, n_tokens: number): number {
  let total = 0
  for (let latent = 0; latent < n_active.length; latent++) total += n_active[latent]!
  return total / n_tokens
}
