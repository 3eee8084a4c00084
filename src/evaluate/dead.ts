/** Dead latents: those that did not fire. */

import type { SparseActs } from '../sae/index.ts'

/** [d_sae] The token on which each latent first fired, counted from 0 over all tokens looked at; none yet. */
export const neverFired = (d_sae: number): Float64Array =>
  new Float64Array(d_sae).fill(Number.POSITIVE_INFINITY)

/**
 * Notes the first firing of every latent.
 * @param first [d_sae]
 * @param n_before tokens looked at before these.
 */
export function noteFirst(acts: SparseActs, first: Float64Array, n_before: number): void {
  for (let row = 0; row < acts.n; row++) {
    for (let entry = acts.row_start[row]!; entry < acts.row_start[row + 1]!; entry++) {
      const latent = acts.index[entry]!
      if (n_before + row < first[latent]!) first[latent] = n_before + row
    }
  }
}

/**
 * Share of latents that fired on none of the first `window_tokens` tokens looked at.
 *
 * A short window calls rare latents dead too: always say the number of tokens with it. (The field's usual window is 10
 * million tokens, arXiv:2406.04093.)
 * @param first [d_sae] as `noteFirst` leaves it.
 */
export function dead(first: Float64Array, window_tokens: number): number {
  return first.reduce((n, token) => (token < window_tokens ? n : n + 1), 0) / first.length
}

/** The windows reported: powers of ten from a thousand tokens, and all tokens. */
export function deadWindows(n_tokens: number): number[] {
  const windows: number[] = []
  for (let window = 1000; window < n_tokens; window *= 10) windows.push(window)
  return [...windows, n_tokens]
}
