// Dense pre-activations to compressed rows, compressed rows to compressed columns, and the sparse decoder.
import { Shard } from "./shard";
import { axpy, axpy2 } from "./vector";

/**
 * Appends the entries of m token rows whose pre_acts exceed `low` to the compressed rows.
 * @param pre [m, width]; first: row of the first token; nnz: entries so far.
 * @returns entries now, or -1 if they might not fit.
 */
export function scan(s: Shard, pre: usize, first: u32, m: u32, nnz: i32): i32 {
  let width: usize = s.width, low = s.low, index = s.index, value = s.value;
  let row_start = s.row_start + ((<usize>first) << 2);
  let blocks = width & ~15;
  for (let n: usize = 0; n < <usize>m; n++) {
    store<i32>(row_start + (n << 2), nnz);
    if (<usize>nnz + width > <usize>s.capacity) return -1;
    let row = pre + ((n * width) << 2);
    for (let j: usize = 0; j < blocks; j += 16) {
      let p = row + (j << 2), t = low + (j << 2);
      let m0 = f32x4.gt(v128.load(p), v128.load(t)), m1 = f32x4.gt(v128.load(p, 16), v128.load(t, 16));
      let m2 = f32x4.gt(v128.load(p, 32), v128.load(t, 32)), m3 = f32x4.gt(v128.load(p, 48), v128.load(t, 48));
      if (!v128.any_true(v128.or(v128.or(m0, m1), v128.or(m2, m3)))) continue;
      let bits = i32x4.bitmask(m0) | (i32x4.bitmask(m1) << 4) | (i32x4.bitmask(m2) << 8) | (i32x4.bitmask(m3) << 12);
      while (bits) {
        let b = <usize>ctz(bits);
        bits &= bits - 1;
        store<i32>(index + ((<usize>nnz) << 2), <i32>(j + b));
        store<f32>(value + ((<usize>nnz) << 2), load<f32>(p + (b << 2)));
        nnz++;
      }
    }
    for (let j = blocks; j < width; j++) {
      let v = load<f32>(row + (j << 2));
      if (v > load<f32>(low + (j << 2))) {
        store<i32>(index + ((<usize>nnz) << 2), <i32>j);
        store<f32>(value + ((<usize>nnz) << 2), v);
        nnz++;
      }
    }
  }
  store<i32>(row_start + ((<usize>m) << 2), nnz);
  return nnz;
}

/** out [n, d] = rows W_dec over the entries above `threshold`; returns how many, and leaves their sum in `paid`. */
// @ts-ignore: decorator
@inline
function decodeRows(s: Shard, row_start: usize, index: usize, value: usize, out: usize): i32 {
  let d: usize = s.d_out, n_active = 0, paid: f32 = 0;
  for (let n: usize = 0; n < <usize>s.n; n++) {
    let o = out + ((n * d) << 2);
    memory.fill(o, 0, d << 2);
    let e = load<i32>(row_start + (n << 2)), end = load<i32>(row_start + (n << 2), 4);
    for (; e + 1 < end; e += 2) {
      let p = (<usize>e) << 2;
      let i0 = <usize>load<i32>(index + p), i1 = <usize>load<i32>(index + p, 4);
      let v0 = load<f32>(value + p), v1 = load<f32>(value + p, 4);
      let on0 = v0 > load<f32>(s.threshold + (i0 << 2)), on1 = v1 > load<f32>(s.threshold + (i1 << 2));
      n_active += <i32>on0 + <i32>on1;
      v0 = on0 ? v0 : 0;
      v1 = on1 ? v1 : 0;
      paid += v0 + v1;
      axpy2(o, v0, s.W_dec + ((i0 * d) << 2), v1, s.W_dec + ((i1 * d) << 2), d);
    }
    if (e < end) {
      let i = <usize>load<i32>(index + ((<usize>e) << 2));
      let v = load<f32>(value + ((<usize>e) << 2));
      if (v > load<f32>(s.threshold + (i << 2))) {
        n_active++;
        paid += v;
        axpy(o, v, s.W_dec + ((i * d) << 2), d);
      }
    }
  }
  s.paid = paid;
  return n_active;
}

/** out [n, d_out] = acts W_dec; counts the active entries, and sums them in `paid`. */
export function decode(s: Shard, out: usize): void {
  s.n_active = decodeRows(s, s.row_start, s.index, s.value, out);
}

/** out [n, d_out] = the auxiliary reconstruction: relu(gate) W_dec (gated; summed in `paid`), or that of the dead latents. */
export function decodeAux(s: Shard, out: usize): void {
  if (s.is_gated) decodeRows(s, s.row_start, s.index, s.gate, out);
  else decodeRows(s, s.aux_row_start, s.aux_index, s.aux_value, out);
}

/** Compressed rows to compressed columns: latent i owns entries col_start[i] .. col_start[i + 1], tokens ascending. */
// @ts-ignore: decorator
@inline
function toColumns(s: Shard, row_start: usize, index: usize, col_start: usize, token: usize, from: usize, to: usize, from2: usize, to2: usize): void {
  let width: usize = s.width;
  let nnz = <usize>load<i32>(row_start + ((<usize>s.n) << 2));
  memory.fill(col_start, 0, (width + 2) << 2);
  for (let e: usize = 0; e < nnz; e++) {
    let c = col_start + ((<usize>load<i32>(index + (e << 2)) + 2) << 2);
    store<i32>(c, load<i32>(c) + 1);
  }
  for (let i: usize = 2; i < width + 2; i++) {
    let c = col_start + (i << 2);
    store<i32>(c, load<i32>(c) + load<i32>(c - 4));
  }
  for (let n: usize = 0; n < <usize>s.n; n++) {
    let e = <usize>load<i32>(row_start + (n << 2)), end = <usize>load<i32>(row_start + (n << 2), 4);
    for (; e < end; e++) {
      let c = col_start + ((<usize>load<i32>(index + (e << 2)) + 1) << 2);
      let at = (<usize>load<i32>(c)) << 2;
      store<i32>(c, load<i32>(c) + 1);
      store<i32>(token + at, <i32>n);
      store<f32>(to + at, load<f32>(from + (e << 2)));
      if (from2) store<f32>(to2 + at, load<f32>(from2 + (e << 2)));
    }
  }
}

/** Columns of the entries and, where there are any in this step, of the dead latents' entries. */
export function transpose(s: Shard): void {
  toColumns(s, s.row_start, s.index, s.col_start, s.token, s.value, s.col_value, s.is_gated ? s.gate : 0, s.col_gate);
  if (s.has_aux) {
    toColumns(s, s.aux_row_start, s.aux_index, s.aux_col_start, s.aux_token, s.aux_value, s.aux_col_value, 0, 0);
  }
}
