/**
 * Which token of one text stands beside which of another.
 *
 * 1. What both begin with is aligned as it stands: up to there a causal model has seen the same.
 * 2. What both end with is aligned likewise: there stands the question, or the answer.
 * 3. Between them the alignment of the highest score: 2 for a pair of the same token, -2 for a pair of different ones, -3 for
 *    every run of tokens that only one text has, however long it is (a global alignment with affine gaps). So inserted
 *    reasoning stays one run: common words inside it are not torn out, as the longest common subsequence would do, and a
 *    word or two that were exchanged are paired.
 * 4. Of equal scores, that whose pairs come first.
 */

/** A place of the alignment: a token of each text, or of one alone. */
export type AlignedPair = { readonly a?: number; readonly b?: number }

const SAME = 2
const REPLACED = -2
const GAP = -3

/** Most pairs of places between the common beginning and end: a byte each. */
const MAX_CELLS = 2 ** 27

/** How a place is reached: as a pair, or within a run that only a (only b) has. */
const PAIR = 0
const ONLY_A = 1
const ONLY_B = 2
type State = typeof PAIR | typeof ONLY_A | typeof ONLY_B

/**
 * Aligns two texts by their token ids, as above.
 * @returns every index of `a` and of `b` once, ascending in both; of neighbouring runs that one text alone has, a's first.
 * @throws RangeError if the texts are too long.
 */
export function alignTokens(a: ArrayLike<number>, b: ArrayLike<number>): AlignedPair[] {
  const shorter = Math.min(a.length, b.length)
  let start = 0
  while (start < shorter && a[start] === b[start]) start++
  let end = 0
  while (end < shorter - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  return [
    ...Array.from({ length: start }, (_, i) => ({ a: i, b: i })),
    ...alignMiddle(a, b, start, a.length - start - end, b.length - start - end),
    ...Array.from({ length: end }, (_, i) => ({
      a: a.length - end + i,
      b: b.length - end + i,
    })),
  ]
}

/** Step 3, of `rows` tokens of a and `columns` of b behind the common beginning. */
function alignMiddle(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  start: number,
  rows: number,
  columns: number,
): AlignedPair[] {
  if ((rows + 1) * (columns + 1) > MAX_CELLS) {
    throw new RangeError(
      `alignTokens: ${rows} tokens against ${columns} are too many to align, expected at most ${MAX_CELLS} pairs of places. Shorten the texts.`,
    )
  }
  const next = scoreFromTheEnd(a, b, start, rows, columns)
  const pairs: AlignedPair[] = []
  let state: State = PAIR
  for (let i = 0, j = 0; i < rows || j < columns; ) {
    const choice = next[i * (columns + 1) + j]!
    // What this place goes on as, given how it was reached.
    const move = ((choice >> (2 * state)) & 3) as State
    if (move === PAIR) pairs.push({ a: start + i++, b: start + j++ })
    else if (move === ONLY_A) pairs.push({ a: start + i++ })
    else pairs.push({ b: start + j++ })
    state = move
  }
  return pairs
}

/**
 * The best move at every place, 2 bits for each way that the place was reached (a run that goes on costs nothing more):
 * [rows + 1, columns + 1], filled from the end, so that of equal scores the earliest pair wins.
 */
function scoreFromTheEnd(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  start: number,
  rows: number,
  columns: number,
): Uint8Array {
  const stride = columns + 1
  const moves = new Uint8Array((rows + 1) * stride)
  /** Best score of what follows a place, by how it is reached; [3, columns + 1] of the row below and of this one. */
  let below = new Int32Array(3 * stride)
  let here = new Int32Array(3 * stride)
  for (let i = rows; i >= 0; i--) {
    for (let j = columns; j >= 0; j--) {
      if (i === rows && j === columns) {
        here.fill(0, 3 * j, 3 * j + 3)
        continue
      }
      const pair =
        i < rows && j < columns
          ? below[3 * (j + 1) + PAIR]! + (a[start + i] === b[start + j] ? SAME : REPLACED)
          : NONE
      const only_a = i < rows ? below[3 * j + ONLY_A]! : NONE
      const only_b = j < columns ? here[3 * (j + 1) + ONLY_B]! : NONE
      let packed = 0
      for (let state = 0; state < 3; state++) {
        const in_a = only_a + (state === ONLY_A ? 0 : GAP)
        const in_b = only_b + (state === ONLY_B ? 0 : GAP)
        const best = Math.max(pair, in_a, in_b)
        here[3 * j + state] = best
        packed |= (best === pair ? PAIR : best === in_a ? ONLY_A : ONLY_B) << (2 * state)
      }
      moves[i * stride + j] = packed
    }
    ;[below, here] = [here, below]
  }
  return moves
}

/** The score of what cannot be. */
const NONE = -(2 ** 29)
