/**
 * Which entries a whole SAE keeps where their number decides, found by threads that each hold only some of its shards.
 *
 * By token: every shard puts its k largest of each token on the table; a token's k-th largest of all is what an entry must
 * reach. By batch: positive floats have the order of their bits, so two histograms, of the upper half of the bits and then of
 * the lower half within one bin, find the (k n)-th largest exactly. Both are sums of counts or single values, so that nothing
 * depends on the order in which threads arrive.
 */

/** Bins for the upper half of a positive float's bits, and for the lower. */
export const SELECTION_BINS = 2 ** 16

/** Copies the `k` largest entries of each token of a shard, which holds no more than ties beyond them, into out [n, k]. */
export function shareTop(
  { row_start, value }: { readonly row_start: Int32Array; readonly value: Float32Array },
  k: number,
  out: Float32Array,
): void {
  out.fill(0)
  for (let n = 0; (n + 1) * k <= out.length; n++) {
    const row = value.subarray(row_start[n]!, row_start[n + 1]!)
    out.set(row.length <= k ? row : row.slice().sort().subarray(-k), n * k)
  }
}

/**
 * What an entry of tokens [from, to) must reach to be among the token's k largest, into least [n].
 * @param top per shard [n, k], 0 where it has fewer.
 */
export function leastOfTop(
  top: readonly Float32Array[],
  k: number,
  [from, to]: readonly [number, number],
  least: Float32Array,
): void {
  const values = new Float32Array(top.length * k)
  for (let n = from; n < to; n++) {
    for (const [shard, largest] of top.entries())
      values.set(largest.subarray(n * k, (n + 1) * k), shard * k)
    least[n] = kthLargest(values, k)
  }
}

/** The k-th largest of some floats, which it reorders (Hoare's quickselect). */
function kthLargest(values: Float32Array, k: number): number {
  let [low, high] = [0, values.length - 1]
  while (low < high) {
    const pivot = values[(low + high) >> 1]!
    let [i, j] = [low, high]
    while (i <= j) {
      while (values[i]! > pivot) i++
      while (values[j]! < pivot) j--
      if (i > j) break
      const value = values[i]!
      values[i++] = values[j]!
      values[j--] = value
    }
    if (k - 1 <= j) high = j
    else if (k - 1 >= i) low = i
    else break
  }
  return values[k - 1]!
}

/** Adds the upper halves of the bits of positive floats to a histogram that other threads add to as well. */
export function countUpper(values: Float32Array, histogram: Int32Array): void {
  const own = emptyBins()
  const bits = bitsOf(values)
  for (let e = 0; e < bits.length; e++) own[bits[e]! >>> 16]!++
  addTo(histogram, own)
}

/** The same for the lower halves of those whose upper half is `upper`. */
export function countLower(values: Float32Array, upper: number, histogram: Int32Array): void {
  const own = emptyBins()
  const bits = bitsOf(values)
  for (let e = 0; e < bits.length; e++) if (bits[e]! >>> 16 === upper) own[bits[e]! & 0xffff]!++
  addTo(histogram, own)
}

/** The bin that holds the k-th largest, and how many lie in bins above it; undefined where there are fewer than k. */
export function binOfLargest(
  histogram: Int32Array,
  k: number,
): { readonly bin: number; readonly above: number } | undefined {
  let above = 0
  for (let bin = histogram.length - 1; bin >= 0; bin--) {
    const count = histogram[bin]!
    if (above + count >= k) return { bin, above }
    above += count
  }
  return undefined
}

/** The float with these halves of bits. */
export function floatOf(upper: number, lower: number): number {
  return new Float32Array(Uint32Array.of((upper << 16) | lower).buffer)[0]!
}

/** A thread's own counts, one array for all of them: a new one every time would be garbage of a megabyte a step. */
let bins: Int32Array | undefined

function emptyBins(): Int32Array {
  bins ??= new Int32Array(SELECTION_BINS)
  return bins.fill(0)
}

const bitsOf = ({ buffer, byteOffset, length }: Float32Array) =>
  new Uint32Array(buffer, byteOffset, length)

function addTo(histogram: Int32Array, own: Int32Array): void {
  for (let bin = 0; bin < own.length; bin++)
    if (own[bin]! > 0) Atomics.add(histogram, bin, own[bin]!)
}
