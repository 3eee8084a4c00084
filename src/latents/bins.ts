/**
 * Activations of every latent in equal bins from 0 to a top that doubles when a larger value comes: two bins become one, so
 * that counts stay exact and nothing has to be known beforehand. The top is the least power of two above the maximum.
 */

/** Bins of a histogram. */
export const N_BINS = 40

/** The least power of two above a positive value. */
export function topAbove(value: number): number {
  let top = 2 ** Math.floor(Math.log2(value))
  while (top <= value) top *= 2
  while (top / 2 > value) top /= 2
  return top
}

/** Bin of a value: exact, as the top is a power of two. */
export function binOf(value: number, top: number, n_bins: number): number {
  return Math.floor((value / top) * n_bins)
}

/** Histograms of all latents. */
export type Histograms = {
  /** [d_sae, N_BINS] */
  readonly counts: Int32Array
  add(latent: number, value: number): void
}

/** Empty histograms. */
export function makeHistograms(d_sae: number): Histograms {
  const counts = new Int32Array(d_sae * N_BINS)
  const tops = new Float64Array(d_sae)
  return {
    counts,
    add(latent, value) {
      if (value >= tops[latent]!) raise(counts, tops, latent, value)
      counts[latent * N_BINS + binOf(value, tops[latent]!, N_BINS)]!++
    },
  }
}

/** Doubles a latent's top until it lies above `value`, merging neighbours each time. */
function raise(counts: Int32Array, tops: Float64Array, latent: number, value: number): void {
  const top = topAbove(value)
  if (tops[latent] === 0) tops[latent] = top
  const first = latent * N_BINS
  for (; tops[latent]! < top; tops[latent]! *= 2) {
    for (let b = 0; b < N_BINS; b++) {
      const pair = first + 2 * b
      counts[first + b] = 2 * b < N_BINS ? counts[pair]! + counts[pair + 1]! : 0
    }
  }
}

/**
 * The bins of one latent as shown: from 0 to the last bin with a count.
 * @param counts [N_BINS], @param max_act of the latent; without activations there are no bins.
 */
export function histogramOf(
  counts: ArrayLike<number>,
  max_act: number,
): { edges: number[]; counts: number[] } {
  if (!(max_act > 0)) return { edges: [], counts: [] }
  const top = topAbove(max_act)
  const n = binOf(max_act, top, N_BINS) + 1
  return {
    edges: Array.from({ length: n + 1 }, (_, b) => (b * top) / N_BINS),
    counts: Array.from({ length: n }, (_, b) => counts[b]!),
  }
}
