/** Density: how often a latent fires, and how that is spread over latents. */

import type { SparseActs } from '../sae/index.ts'

/** Bins a decade. */
const BINS = 4

/** Adds to `n_active` [d_sae] the tokens on which each latent fires. */
export function countActive(acts: SparseActs, n_active: Uint32Array): void {
  for (const latent of acts.index) n_active[latent]!++
}

/**
 * Histogram of `log10(n_active / n_tokens)` over the latents that fired, in quarter decades from one token up to all.
 * @param n_active [d_sae]
 * @returns counts[b] latents in [edges[b], edges[b + 1]); density 1 is in the last bin.
 */
export function densityHistogram(
  n_active: ArrayLike<number>,
  n_tokens: number,
): { edges: number[]; counts: number[] } {
  const n_bins = Math.max(1, Math.ceil(Math.log10(n_tokens) * BINS))
  const edges = Array.from({ length: n_bins + 1 }, (_, bin) => (bin - n_bins) / BINS)
  const counts = new Array<number>(n_bins).fill(0)
  for (let latent = 0; latent < n_active.length; latent++) {
    if (n_active[latent] === 0) continue
    const bin = n_bins + Math.floor(Math.log10(n_active[latent]! / n_tokens) * BINS)
    counts[Math.max(0, Math.min(n_bins - 1, bin))]!++
  }
  return { edges, counts }
}
