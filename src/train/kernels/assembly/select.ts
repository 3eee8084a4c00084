// Which latents are active, where their number decides: the k largest.
import { Shard } from "./shard";

/** The k-th largest of m floats, which it reorders. k from 1 to m. */
function kthLargest(a: usize, m: i32, k: i32): f32 {
  let low = 0, high = m - 1, wanted = k - 1;
  while (low < high) {
    let pivot = load<f32>(a + ((<usize>((low + high) >> 1)) << 2)), i = low, j = high;
    while (i <= j) {
      while (load<f32>(a + ((<usize>i) << 2)) > pivot) i++;
      while (load<f32>(a + ((<usize>j) << 2)) < pivot) j--;
      if (i <= j) {
        let p = a + ((<usize>i) << 2), q = a + ((<usize>j) << 2), v = load<f32>(p);
        store<f32>(p, load<f32>(q));
        store<f32>(q, v);
        i++;
        j--;
      }
    }
    if (wanted <= j) high = j;
    else if (wanted >= i) low = i;
    else break;
  }
  return load<f32>(a + ((<usize>wanted) << 2));
}

/** Of the entries [from, to) of a row keeps those that reach the k-th largest; returns the new end. */
function keepLargest(index: usize, value: usize, scratch: usize, from: i32, to: i32, k: i32): i32 {
  if (to - from <= k) return to;
  let m = (<usize>(to - from)) << 2;
  memory.copy(scratch, value + ((<usize>from) << 2), m);
  let least = kthLargest(scratch, to - from, k), at = from;
  for (let e = from; e < to; e++) {
    let v = load<f32>(value + ((<usize>e) << 2));
    if (v < least) continue;
    store<f32>(value + ((<usize>at) << 2), v);
    store<i32>(index + ((<usize>at) << 2), load<i32>(index + ((<usize>e) << 2)));
    at++;
  }
  return at;
}

/**
 * Appends to the compressed rows, for each of m tokens, the entries that reach the k-th largest of this shard's pre_acts and
 * are above 0. Blocks of 16 whose largest is below the k-th largest block maximum hold none of them.
 * @returns entries now, or -1 if they might not fit.
 */
export function scanTop(s: Shard, pre: usize, first: u32, m: u32, nnz: i32, k: i32): i32 {
  let width: usize = s.width, index = s.index, value = s.value, scratch = s.scratch;
  let row_start = s.row_start + ((<usize>first) << 2);
  let blocks = width >> 4, n_maxima = blocks + <usize>((width & 15) != 0);
  let zero = f32x4.splat(0);
  for (let n: usize = 0; n < <usize>m; n++) {
    store<i32>(row_start + (n << 2), nnz);
    if (<usize>nnz + width > <usize>s.capacity) return -1;
    let row = pre + ((n * width) << 2), floor: f32 = 0;
    if (n_maxima > <usize>k) {
      for (let b: usize = 0; b < blocks; b++) {
        let p = row + (b << 6);
        let v = f32x4.pmax(f32x4.pmax(v128.load(p), v128.load(p, 16)), f32x4.pmax(v128.load(p, 32), v128.load(p, 48)));
        v = f32x4.pmax(v, zero);
        let high = max<f32>(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1));
        store<f32>(scratch + (b << 2), max<f32>(high, max<f32>(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3))));
      }
      if (n_maxima > blocks) {
        let high: f32 = 0;
        for (let j = blocks << 4; j < width; j++) high = max<f32>(high, load<f32>(row + (j << 2)));
        store<f32>(scratch + (blocks << 2), high);
      }
      floor = kthLargest(scratch, <i32>n_maxima, k);
    }
    let least = f32x4.splat(floor), from = nnz;
    for (let j: usize = 0; j < blocks << 4; j += 16) {
      let p = row + (j << 2);
      let v0 = v128.load(p), v1 = v128.load(p, 16), v2 = v128.load(p, 32), v3 = v128.load(p, 48);
      let m0 = v128.and(f32x4.ge(v0, least), f32x4.gt(v0, zero)), m1 = v128.and(f32x4.ge(v1, least), f32x4.gt(v1, zero));
      let m2 = v128.and(f32x4.ge(v2, least), f32x4.gt(v2, zero)), m3 = v128.and(f32x4.ge(v3, least), f32x4.gt(v3, zero));
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
    for (let j = blocks << 4; j < width; j++) {
      let v = load<f32>(row + (j << 2));
      if (!(v >= floor && v > 0)) continue;
      store<i32>(index + ((<usize>nnz) << 2), <i32>j);
      store<f32>(value + ((<usize>nnz) << 2), v);
      nnz++;
    }
    nnz = keepLargest(index, value, scratch, from, nnz, k);
  }
  store<i32>(row_start + ((<usize>m) << 2), nnz);
  return nnz;
}

/** Appends to the auxiliary rows, for each of m tokens, its k largest dead latents above 0. Returns entries now. */
export function scanDead(s: Shard, pre: usize, first: u32, m: u32, nnz: i32, k: i32): i32 {
  let row_start = s.aux_row_start + ((<usize>first) << 2);
  for (let n: usize = 0; n < <usize>m; n++) {
    store<i32>(row_start + (n << 2), nnz);
    let row = pre + ((n * <usize>s.width) << 2), from = nnz;
    for (let at: usize = 0; at < <usize>s.n_listed; at++) {
      let i = load<i32>(s.dead + (at << 2)), v = load<f32>(row + ((<usize>i) << 2));
      if (!(v > 0)) continue;
      store<i32>(s.aux_index + ((<usize>nnz) << 2), i);
      store<f32>(s.aux_value + ((<usize>nnz) << 2), v);
      nnz++;
    }
    nnz = keepLargest(s.aux_index, s.aux_value, s.scratch, from, nnz, k);
  }
  store<i32>(row_start + ((<usize>m) << 2), nnz);
  return nnz;
}

/** Keeps the entries that reach their token's `least` [n]. */
export function filter(s: Shard, least: usize): void {
  let at: usize = 0, e: usize = 0;
  for (let n: usize = 0; n < <usize>s.n; n++) {
    let end = <usize>load<i32>(s.row_start + (n << 2), 4), low = load<f32>(least + (n << 2));
    store<i32>(s.row_start + (n << 2), <i32>at);
    for (; e < end; e++) {
      let v = load<f32>(s.value + (e << 2));
      if (v < low) continue;
      store<f32>(s.value + (at << 2), v);
      store<i32>(s.index + (at << 2), load<i32>(s.index + (e << 2)));
      at++;
    }
  }
  store<i32>(s.row_start + ((<usize>s.n) << 2), <i32>at);
}

/** Gated: the gate's pre_acts move to `gate`, and `value` becomes the activation relu((gate - b_enc) e^r_mag + b_mag). */
export function magnitudes(s: Shard): void {
  let nnz = <usize>load<i32>(s.row_start + ((<usize>s.n) << 2));
  for (let e: usize = 0; e < nnz; e++) {
    let i = (<usize>load<i32>(s.index + (e << 2))) << 2, z = load<f32>(s.value + (e << 2));
    store<f32>(s.gate + (e << 2), z);
    store<f32>(s.value + (e << 2), max<f32>(0, (z - load<f32>(s.b_enc + i)) * load<f32>(s.e_mag + i) + load<f32>(s.b_mag + i)));
  }
}
