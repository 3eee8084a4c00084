/** Random unit directions, in superposition where there are more than dimensions. */
import type { Random } from '../model/index.ts'

/** Rounds in which a direction is pushed away from those before it. */
const MAX_ROUNDS = 500

/**
 * Unit rows [n, d], uniform on the sphere. With `max_cosine` a row that comes too near to an earlier one is pushed off, the
 * earlier ones in turn, until no cosine with them exceeds it in magnitude.
 * @throws RangeError if no place was found for a row. No n rows have all cosines below sqrt((n - d) / (d (n - 1))), and
 *   random order does not reach that bound. Source of the bound: L. Welch, IEEE Trans. Inf. Theory 20(3), 1974.
 */
export function drawDirections(
  n: number,
  d: number,
  random: Random,
  max_cosine: number = 1,
): Float32Array {
  const rows = new Float32Array(n * d)
  const row = new Float64Array(d)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < d; k++) row[k] = gaussian(random)
    normalise(row)
    let rounds = 0
    while (max_cosine < 1 && pushOff(row, rows, i, max_cosine)) {
      normalise(row)
      if (++rounds < MAX_ROUNDS) continue
      const bound = Math.sqrt(Math.max(0, n - d) / (d * (n - 1)))
      throw new RangeError(
        `synthetic: found no place for direction ${i} of ${n} in ${d} dimensions with cosines of at most ${max_cosine} (no arrangement goes below ${bound.toFixed(3)}). Ask for a larger max_cosine, more dimensions or fewer features.`,
      )
    }
    rows.set(row, i * d)
  }
  return rows
}

/** Takes from `row` what exceeds `max_cosine` along each of the first n rows in turn; whether there was any. */
function pushOff(row: Float64Array, rows: Float32Array, n: number, max_cosine: number): boolean {
  const d = row.length
  let moved = false
  for (let i = 0; i < n; i++) {
    let cosine = 0
    for (let k = 0; k < d; k++) cosine += row[k]! * rows[i * d + k]!
    if (Math.abs(cosine) <= max_cosine) continue
    moved = true
    // A little more than needed, or the end would be approached for ever.
    const excess = cosine - 0.99 * max_cosine * Math.sign(cosine)
    for (let k = 0; k < d; k++) row[k]! -= excess * rows[i * d + k]!
  }
  return moved
}

function normalise(row: Float64Array): void {
  const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
  for (let k = 0; k < row.length; k++) row[k]! /= norm
}

/** A number of the standard normal distribution (Box and Muller). */
export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
