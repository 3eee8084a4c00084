/** Positions in a document, in bins that widen: what is measured by position is summed in one of them. */

import type { PositionBin } from '../sae/index.ts'
import { type LossSum, lossSum, meanLoss } from './ceLoss.ts'
import { type FvuSums, fvu, mergeFvu } from './fvu.ts'

/** One thing by bin; nothing at a bin without tokens. */
export type Bins<Thing> = (Thing | undefined)[]

/** Two bins an octave: 0, 1, 2, 3, 4–5, 6–7, 8–11, 12–15, 16–23, 24–31 and on. BOS lies at position 0. */
export function positionBin(position: number): number {
  if (position < 2) return position
  const octave = 31 - Math.clz32(position)
  return 2 * octave + ((position >> (octave - 1)) & 1)
}

/** The first position of a bin. */
export function binStart(bin: number): number {
  return bin < 2 ? bin : 2 ** (bin >> 1) + (bin & 1) * 2 ** ((bin >> 1) - 1)
}

/**
 * Runs of neighbouring entries that lie in the same bin.
 * @param positions [n] @returns half-open ranges of entries, in order, together all of them.
 */
export function* binRuns(
  positions: Int32Array,
): Generator<{ bin: number; from: number; to: number }> {
  for (let from = 0; from < positions.length; ) {
    const bin = positionBin(positions[from]!)
    let to = from + 1
    while (to < positions.length && positionBin(positions[to]!) === bin) to++
    yield { bin, from, to }
    from = to
  }
}

/**
 * Fidelity by position: FVU about the mean of all tokens, and `CE(spliced) - CE(plain)` of the tokens predicted.
 *
 * The token at a position is spliced like those before it, but its prediction reads only those before: at position 1, after
 * BOS, it costs nothing.
 * Source: arXiv:2408.05147 §4.2.
 */
export function byPosition(
  fvus: Bins<FvuSums>,
  plain: Bins<LossSum>,
  spliced: Bins<LossSum>,
): PositionBin[] {
  const whole = mergeFvu(fvus)
  return fvus.flatMap((sums, bin) => {
    if (sums === undefined) return []
    const unexplained = fvu(sums, whole)
    const before = meanLoss(plain[bin] ?? lossSum())
    const after = meanLoss(spliced[bin] ?? lossSum())
    return {
      start: binStart(bin),
      end: binStart(bin + 1),
      n_tokens: sums.n_tokens,
      ...(unexplained === undefined ? {} : { fvu: unexplained }),
      ...(before === undefined || after === undefined ? {} : { delta_ce_loss: after - before }),
    }
  })
}
