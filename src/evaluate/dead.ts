/** Dead latents: those that did not fire. */

/**
 * Share of latents that fired on no token of the window.
 *
 * A short window calls rare latents dead too: always say the number of tokens with it.
 * @param n_active [d_sae] tokens of the window on which each latent fired.
 */
export function dead(n_active: ArrayLike<number>): number {
  let n_dead = 0
  for (let latent = 0; latent < n_active.length; latent++) if (n_active[latent] === 0) n_dead++
  return n_dead / n_active.length
}
