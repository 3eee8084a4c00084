/** Which tokens differ between two texts: those outside their longest common subsequence. */

/** For each side, whether the token at that place is absent from the other side. */
export type TokenDiff = { readonly a: boolean[]; readonly b: boolean[] }

/**
 * Common prefix and suffix are taken off first; the middle is aligned by dynamic programming over
 * `[n_a + 1, n_b + 1]` lengths. Ties keep the earlier token of `a`.
 */
export function diffTokens(a: readonly string[], b: readonly string[]): TokenDiff {
  const changed: TokenDiff = { a: a.map(() => true), b: b.map(() => true) }
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) {
    changed.a[start] = false
    changed.b[start] = false
    start++
  }
  let endA = a.length
  let endB = b.length
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA--
    endB--
    changed.a[endA] = false
    changed.b[endB] = false
  }
  const rows = endA - start
  const columns = endB - start
  const stride = columns + 1
  // lengths[i * stride + j]: longest common subsequence of a[start + i ..] and b[start + j ..].
  const lengths = new Uint16Array((rows + 1) * stride)
  const length = (i: number, j: number) => lengths[i * stride + j] ?? 0
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      lengths[i * stride + j] =
        a[start + i] === b[start + j]
          ? length(i + 1, j + 1) + 1
          : Math.max(length(i + 1, j), length(i, j + 1))
    }
  }
  for (let i = 0, j = 0; i < rows && j < columns; ) {
    if (a[start + i] === b[start + j]) {
      changed.a[start + i++] = false
      changed.b[start + j++] = false
    } else if (length(i + 1, j) >= length(i, j + 1)) i++
    else j++
  }
  return changed
}
