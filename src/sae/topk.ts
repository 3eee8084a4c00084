/**
 * TopK: a token keeps its k largest pre-activations, of those above 0.
 *
 * Deviation: all that tie with the k-th are kept, so that the choice does not depend on an order of latents.
 * Source: arXiv:2406.04093.
 */

/**
 * The active latents of one token, ascending. The definition.
 * @param pre_acts [d_sae]
 */
export function topk(pre_acts: Float32Array, k: number): number[] {
  const positive = pre_acts.filter((pre_act) => pre_act > 0).sort()
  const cutoff = positive[positive.length - k] ?? 0
  return [...pre_acts.keys()].filter(
    (latent) => pre_acts[latent]! > 0 && pre_acts[latent]! >= cutoff,
  )
}

/**
 * The same without sorting, written behind what `index` and `value` hold already.
 * @param scratch [d_sae], overwritten.
 * @param at entries held; there must be room for d_sae more.
 * @returns entries held now.
 */
export function selectTopk(
  pre_acts: Float32Array,
  k: number,
  scratch: Float32Array,
  index: Int32Array,
  value: Float32Array,
  at: number,
): number {
  let n_positive = 0
  for (let latent = 0; latent < pre_acts.length; latent++) {
    const pre_act = pre_acts[latent]!
    if (pre_act > 0) scratch[n_positive++] = pre_act
  }
  const cutoff = n_positive > k ? kthLargest(scratch, n_positive, k) : 0
  let nnz = at
  for (let latent = 0; latent < pre_acts.length; latent++) {
    const pre_act = pre_acts[latent]!
    if (pre_act > 0 && pre_act >= cutoff) {
      index[nnz] = latent
      value[nnz] = pre_act
      nnz++
    }
  }
  return nnz
}

/** The k-th largest of the first n values by Hoare's quickselect, which reorders them; 1 <= k <= n, no NaN. */
function kthLargest(values: Float32Array, n: number, k: number): number {
  let low = 0
  let high = n - 1
  while (low < high) {
    const pivot = values[(low + high) >> 1]!
    let left = low
    let right = high
    while (left <= right) {
      while (values[left]! > pivot) left++
      while (values[right]! < pivot) right--
      if (left > right) break
      const swapped = values[left]!
      values[left++] = values[right]!
      values[right--] = swapped
    }
    if (k - 1 <= right) high = right
    else if (k - 1 >= left) low = left
    else break
  }
  return values[k - 1]!
}
