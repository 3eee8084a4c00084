/** Activation intervals: nearly equal stretches of bins from 0 to a latent's maximum, from each of which examples are drawn. */

import { binOf, N_BINS, topAbove } from './bins.ts'

/** Bins an interval is made of, at most: with fewer, intervals would be less equal. */
export const BINS_PER_INTERVAL = 4

/** One interval of a latent's activations: `from` up to, but not including, `to`. */
export type ActivationInterval = {
  /** 1 the strongest. */
  readonly interval: number
  readonly from: number
  readonly to: number
  /** Activations in it; absent where its borders are not those of the histogram's bins. */
  readonly n_active?: number
}

/** The interval, 1 the strongest, of a bin among those in use, which end with that of the maximum. */
export const intervalOf = (bin: number, n_used: number, n_intervals: number): number =>
  n_intervals - Math.floor((bin * n_intervals) / n_used)

/**
 * The intervals of a latent, the strongest first; none where it never fired.
 * @param counts its histogram, as `histogramOf` gives it.
 */
export function intervalsOf(
  max_act: number,
  n_intervals: number,
  counts: readonly number[],
): ActivationInterval[] {
  if (!(max_act > 0)) return []
  const n_bins = n_intervals * BINS_PER_INTERVAL
  const top = topAbove(max_act)
  const n_used = binOf(max_act, top, n_bins) + 1
  const bins = Map.groupBy(Array(n_used).keys(), (bin) => intervalOf(bin, n_used, n_intervals))
  const finer = N_BINS / n_bins
  return [...bins]
    .map(([interval, own]) => {
      const [first, end] = [own[0]!, own.at(-1)! + 1]
      const borders = { interval, from: (first * top) / n_bins, to: (end * top) / n_bins }
      if (!Number.isInteger(finer)) return borders
      const held = counts.slice(first * finer, end * finer)
      return { ...borders, n_active: held.reduce((sum, n) => sum + n, 0) }
    })
    .sort((a, b) => a.interval - b.interval)
}
