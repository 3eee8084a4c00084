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
 * @param heap [k], overwritten.
 * @param at entries held; there must be room for d_sae more.
 * @returns entries held now.
 */
export function selectTopk(
  pre_acts: Float32Array,
  heap: Float32Array,
  index: Int32Array,
  value: Float32Array,
  at: number,
): number {
  const cutoff = kthLargest(pre_acts, heap)
  let nnz = at
  for (let latent = 0; latent < pre_acts.length; latent++) {
    const pre_act = pre_acts[latent]!
    if (pre_act >= cutoff && pre_act > 0) {
      index[nnz] = latent
      value[nnz] = pre_act
      nnz++
    }
  }
  return nnz
}

/** The k-th largest of the values above 0, or 0 where there are fewer; `heap` [k] holds the largest so far, the least in front. */
function kthLargest(values: Float32Array, heap: Float32Array): number {
  heap.fill(0)
  let least = 0
  for (let i = 0; i < values.length; i++) {
    if (values[i]! > least) {
      replaceLeast(heap, values[i]!)
      least = heap[0]!
    }
  }
  return least
}

/** Puts a value in the place of the least one and lets it sink. */
function replaceLeast(heap: Float32Array, value: number): void {
  let place = 0
  while (true) {
    let child = 2 * place + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
    if (heap[child]! >= value) break
    heap[place] = heap[child]!
    place = child
  }
  heap[place] = value
}
