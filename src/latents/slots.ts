/** Room for a fixed number of candidate examples, as flat arrays: memory does not grow with the corpus. */

/** A place in a document where a latent peaks, with the latent's values around it. */
export type Peak = {
  /** Index in TokenCorpus.ids. */
  token: number
  value: number
  /** [2 * context + 1] values at the tokens around the peak, 0 where off or outside the document. */
  readonly window: Float32Array
}

/** `n` slots of peaks. */
export type Slots = {
  readonly n: number
  readonly token: Int32Array
  readonly value: Float32Array
  /** What the owner orders or compares by. */
  readonly key: Uint32Array
  /** [n, window] */
  readonly windows: Float32Array
  /** Values around the peak in slot `i`. */
  window(i: number): Float32Array
  put(i: number, peak: Peak, key: number): void
  /** Copies slot `from` over slot `to`. */
  move(from: number, to: number): void
}

/** Empty slots. */
export function makeSlots(n: number, window: number): Slots {
  const token = new Int32Array(n)
  const value = new Float32Array(n)
  const key = new Uint32Array(n)
  const windows = new Float32Array(n * window)
  return {
    n,
    token,
    value,
    key,
    windows,
    window: (i) => windows.subarray(i * window, (i + 1) * window),
    put(i, peak, newKey) {
      token[i] = peak.token
      value[i] = peak.value
      key[i] = newKey
      windows.set(peak.window, i * window)
    },
    move(from, to) {
      token[to] = token[from]!
      value[to] = value[from]!
      key[to] = key[from]!
      windows.copyWithin(to * window, from * window, (from + 1) * window)
    },
  }
}
