/** The choice of the top-k kinds. */

/** The values that are positive and not below the k-th largest of them all; the others 0. */
export function keepLargest(values: Float64Array, k: number): Float64Array {
  const kth = k > 0 ? (values.toSorted().at(-k) ?? -Infinity) : Infinity
  return values.map((z) => (z >= kth && z > 0 ? z : 0))
}
