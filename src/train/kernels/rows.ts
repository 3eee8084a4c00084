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

type Rows = Readonly<{ row_start: Int32Array; index: Int32Array; value: Float32Array }>

/** out [n, d_out] = rows W_dec over the entries above `threshold`; returns how many, and leaves their sum in `paid`. */
function decodeRows(s: PlainShard, { row_start, index, value }: Rows, out: Float32Array): number {
  out.fill(0)
  s.paid = 0
  let n_active = 0
  for (let n = 0; n < s.n; n++) {
    for (let e = row_start[n]!; e < row_start[n + 1]!; e++) {
      const i = index[e]!
      if (value[e]! <= s.threshold[i]!) continue
      n_active++
      s.paid += value[e]!
      for (let k = 0; k < s.d_out; k++)
        out[n * s.d_out + k]! += value[e]! * s.W_dec[i * s.d_out + k]!
    }
  }
  return n_active
}

/** out [n, d_out] = acts W_dec, `acts = value * (value > threshold)`; counts them in `n_active` and sums them in `paid`. */
export function decode(s: PlainShard, out: Float32Array): void {
  s.n_active = decodeRows(s, s, out)
}

/** out [n, d_out] = the auxiliary reconstruction: relu(gate) W_dec (gated; summed in `paid`), or that of the dead latents. */
export function decodeAux(s: PlainShard, out: Float32Array): void {
  const rows: Rows = s.is_gated
    ? { row_start: s.row_start, index: s.index, value: s.gate }
    : { row_start: s.aux_row_start, index: s.aux_index, value: s.aux_value }
  decodeRows(s, rows, out)
}

/** Compressed rows to compressed columns: latent i owns entries col_start[i] .. col_start[i + 1], tokens ascending. */
export function transpose(s: PlainShard): void {
  toColumns(s, s, (e, at, n) => {
    s.token[at] = n
    s.col_value[at] = s.value[e]!
    if (s.is_gated) s.col_gate[at] = s.gate[e]!
  })
  if (!s.has_aux) return
  const aux = { row_start: s.aux_row_start, index: s.aux_index, col_start: s.aux_col_start }
  toColumns(s, aux, (e, at, n) => {
    s.aux_token[at] = n
    s.aux_col_value[at] = s.aux_value[e]!
  })
}

function toColumns(
  s: PlainShard,
  { row_start, index, col_start }: Pick<PlainShard, 'row_start' | 'index' | 'col_start'>,
  put: (e: number, at: number, n: number) => void,
): void {
  let at = 0
  for (let i = 0; i < s.width; i++) {
    col_start[i] = at
    for (let n = 0; n < s.n; n++)
      for (let e = row_start[n]!; e < row_start[n + 1]!; e++) if (index[e] === i) put(e, at++, n)
  }
  col_start.fill(at, s.width)
}
