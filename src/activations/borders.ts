/** Parts that lie one after another, as documents do in a corpus and shards in a store. */

/**
 * The part that holds a place: the last one that starts at or before it.
 * @param starts [n_parts + 1], ascending; part i is starts[i] .. starts[i + 1].
 * @param at 0 to the last of `starts`, that excluded.
 */
export function partOf(starts: Int32Array, at: number): number {
  let low = 0
  let high = starts.length - 2
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= at) low = middle
    else high = middle - 1
  }
  return low
}
