/** Readable twins of assembly/rows.ts. */
import type { PlainShard } from './shard.ts'

/**
 * Appends to the compressed rows the entries of m tokens whose pre_acts exceed `low = threshold - bandwidth / 2`: those
 * that are active, and those just below their threshold, which the threshold's gradient needs.
 * @param pre [m, width]
 * @param first row of the first token
 * @param nnz entries so far
 * @returns entries now, or -1 if another full row might not fit.
 */
export function scan(
  s: PlainShard,
  pre: Float32Array,
  first: number,
  m: number,
  nnz: number,
): number {
  for (let n = 0; n < m; n++) {
    s.row_start[first + n] = nnz
    if (nnz + s.width > s.capacity) return -1
    for (let i = 0; i < s.width; i++) {
      const z = pre[n * s.width + i]!
      if (z <= s.low[i]!) continue
      s.index[nnz] = i
      s.value[nnz++] = z
    }
  }
  s.row_start[first + m] = nnz
  return nnz
}

/** out [n, d] = acts W_dec, `acts = pre_acts * (pre_acts > threshold)`; counts the active entries in `n_active`. */
export function decode(s: PlainShard, out: Float32Array): void {
  out.fill(0)
  s.n_active = 0
  for (let n = 0; n < s.n; n++) {
    for (let e = s.row_start[n]!; e < s.row_start[n + 1]!; e++) {
      const i = s.index[e]!
      if (s.value[e]! <= s.threshold[i]!) continue
      s.n_active++
      for (let k = 0; k < s.d; k++) out[n * s.d + k]! += s.value[e]! * s.W_dec[i * s.d + k]!
    }
  }
}

/** Compressed rows to compressed columns: latent i owns entries col_start[i] .. col_start[i + 1], tokens ascending. */
export function transpose(s: PlainShard): void {
  let at = 0
  for (let i = 0; i < s.width; i++) {
    s.col_start[i] = at
    for (let n = 0; n < s.n; n++) {
      for (let e = s.row_start[n]!; e < s.row_start[n + 1]!; e++) {
        if (s.index[e] !== i) continue
        s.token[at] = n
        s.col_value[at++] = s.value[e]!
      }
    }
  }
  s.col_start.fill(at, s.width)
}
