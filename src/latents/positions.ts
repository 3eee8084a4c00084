/** Where in documents latents fire: counts by position, in bins that widen. */

import { binStart, positionBin } from '../evaluate/index.ts'

/** Bins of positions up to 131,071: two an octave. Later tokens count in the last. */
export const N_POSITION_BINS = 34

/** Counts by position of all latents, and of all tokens. */
export type PositionCounts = {
  /** [d_sae, N_POSITION_BINS] activations */
  readonly active: Int32Array
  /** [N_POSITION_BINS] tokens counted */
  readonly tokens: Int32Array
}

/** One bin: tokens at positions start .. end - 1 of their documents. */
export type PositionCount = {
  readonly start: number
  readonly end: number
  readonly n_active: number
  readonly n_tokens: number
}

/** No counts yet. */
export const makePositionCounts = (d_sae: number): PositionCounts => ({
  active: new Int32Array(d_sae * N_POSITION_BINS),
  tokens: new Int32Array(N_POSITION_BINS),
})

/** The bin of a position in its document. */
export const boundedBin = (position: number): number =>
  Math.min(N_POSITION_BINS - 1, positionBin(position))

/** The bins in which tokens were counted. @param active [N_POSITION_BINS] of one latent. */
export function positionsOf(active: ArrayLike<number>, tokens: ArrayLike<number>): PositionCount[] {
  return Array.from(tokens, (n_tokens, bin) => ({
    start: binStart(bin),
    end: binStart(bin + 1),
    n_active: active[bin]!,
    n_tokens,
  })).filter(({ n_tokens }) => n_tokens > 0)
}
