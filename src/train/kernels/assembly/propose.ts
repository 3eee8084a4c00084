// Which entries of the encoder count: an 8-bit product proposes, scalar products in f32 decide.
//
// Rows of x and W_enc are rounded to whole multiples of a unit of their own: x = x' + r, w = w' + q. By Cauchy-Schwarz
//
//     |x . w - x' . w'| <= |r| |w| + |x'| |q|,
//
// so that what lies further below its threshold than this is off for certain, and only the rest is computed in full. Norms are
// those of the rows at hand, a little enlarged for their own rounding; what the f32 sum may lose is counted with |r|.
import { Shard } from "./shard";
import { fma, sum4 } from "./vector";

/** Adding 1.5 x 2^23 rounds an f32 to a whole number, which then stands in the low bits. */
const WHOLE: f32 = 12582912;
const WHOLE_BITS: i32 = 0x4b400000;
/** The largest magnitude of a row becomes 127 units. */
const LARGEST: f32 = 127;
const SLACK: f32 = 1.0001;

/** Units a float: 127 over the largest magnitude of a row. */
// @ts-ignore: decorator
@inline
function unitsOf(row: usize, bytes: usize): f32 {
  let m = f32x4.splat(0);
  for (let k: usize = 0; k < bytes; k += 16) m = f32x4.max(m, f32x4.abs(v128.load(row + k)));
  let a = max<f32>(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1));
  let b = max<f32>(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3));
  let largest = max<f32>(a, b);
  return largest > 0 ? LARGEST / largest : 1;
}

/** Whole units of four floats, as i32 less WHOLE_BITS - shift. */
// @ts-ignore: decorator
@inline
function whole(row: usize, units: v128, shift: i32): v128 {
  let a = f32x4.add(f32x4.mul(units, v128.load(row)), f32x4.splat(WHOLE));
  return i32x4.sub(a, i32x4.splat(WHOLE_BITS - shift));
}

/** x_8, x_unit, x_error and x_norm from x. */
export function roundInputs(s: Shard): void {
  let d: usize = s.d, bytes = d << 2, zero = f32x4.splat(WHOLE);
  // A sum of d products, in eight running sums, is off by at most so much of |x| |w|.
  let ulps: f32 = (<f32>d / 8 + 16) * 0.000000059604645;
  for (let n: usize = 0; n < <usize>s.n; n++) {
    let row = s.x + n * bytes, to = s.x_8 + n * d, at = n << 2;
    let units = unitsOf(row, bytes), u = f32x4.splat(units), lost = f32x4.splat(0), all = f32x4.splat(0);
    for (let k: usize = 0; k < bytes; k += 64) {
      let low = i16x8.narrow_i32x4_s(whole(row + k, u, 128), whole(row + k + 16, u, 128));
      let high = i16x8.narrow_i32x4_s(whole(row + k + 32, u, 128), whole(row + k + 48, u, 128));
      v128.store(to + (k >> 2), i8x16.narrow_i16x8_u(low, high));
    }
    for (let k: usize = 0; k < bytes; k += 16) {
      let a = f32x4.mul(u, v128.load(row + k)), r = f32x4.sub(a, f32x4.sub(f32x4.add(a, zero), zero));
      all = fma(a, a, all);
      lost = fma(r, r, lost);
    }
    let error = sqrt<f32>(sum4(lost)), norm = sqrt<f32>(sum4(all)) + error;
    store<f32>(s.x_unit + at, units);
    store<f32>(s.x_norm + at, norm * SLACK);
    store<f32>(s.x_error + at, (error + ulps * norm) * SLACK);
  }
}

/** unit, norm_8, error_8 and cut of latent i; returns its units. */
// @ts-ignore: decorator
@inline
function measureLatent(s: Shard, i: usize): f32 {
  let bytes = (<usize>s.d) << 2, row = s.W_enc + i * bytes, at = i << 2;
  let units = unitsOf(row, bytes), u = f32x4.splat(units), zero = f32x4.splat(WHOLE);
  let lost = f32x4.splat(0), all = f32x4.splat(0);
  for (let k: usize = 0; k < bytes; k += 16) {
    let a = f32x4.mul(u, v128.load(row + k)), r = f32x4.sub(a, f32x4.sub(f32x4.add(a, zero), zero));
    all = fma(a, a, all);
    lost = fma(r, r, lost);
  }
  store<f32>(s.unit + at, units);
  store<f32>(s.norm_8 + at, sqrt<f32>(sum4(all)) * SLACK);
  store<f32>(s.error_8 + at, sqrt<f32>(sum4(lost)) * SLACK);
  store<f32>(s.cut + at, (load<f32>(s.low + at) - load<f32>(s.b_enc + at)) * units);
  return units;
}

/** Four latents at four inputs in whole units, input by input. */
// @ts-ignore: decorator
@inline
function wholeSquare(row: usize, units: usize, bytes: usize): v128 {
  let u0 = v128.load32_splat(units), u1 = v128.load32_splat(units, 4);
  let u2 = v128.load32_splat(units, 8), u3 = v128.load32_splat(units, 12);
  let a = i16x8.narrow_i32x4_s(whole(row, u0, 0), whole(row + bytes, u1, 0));
  let b = i16x8.narrow_i32x4_s(whole(row + 2 * bytes, u2, 0), whole(row + 3 * bytes, u3, 0));
  let c = i8x16.narrow_i16x8_s(a, b);
  return v128.shuffle<i8>(c, c, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

/** W_8 and what belongs to it, from W_enc, b_enc and low. */
export function roundLatents(s: Shard): void {
  let d: usize = s.d, width: usize = s.width, bytes = d << 2, blocks = width & ~15;
  let flip = i8x16.splat(<i8>s.flip);
  for (let i: usize = 0; i < width; i++) measureLatent(s, i);
  for (let i: usize = 0; i < blocks; i += 16) {
    let u = s.unit + (i << 2);
    for (let k: usize = 0; k < d; k += 4) {
      let p = s.W_enc + i * bytes + (k << 2), to = s.W_8 + k * width + i;
      let a = wholeSquare(p, u, bytes), b = wholeSquare(p + 4 * bytes, u + 16, bytes);
      let c = wholeSquare(p + 8 * bytes, u + 32, bytes), e = wholeSquare(p + 12 * bytes, u + 48, bytes);
      // Each holds four latents at k, then at k + 1 and so on; together they give 16 latents for each k.
      let ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), ce = v128.shuffle<i32>(c, e, 0, 4, 1, 5);
      v128.store(to, v128.xor(flip, v128.shuffle<i64>(ab, ce, 0, 2)));
      v128.store(to + width, v128.xor(flip, v128.shuffle<i64>(ab, ce, 1, 3)));
      ab = v128.shuffle<i32>(a, b, 2, 6, 3, 7), ce = v128.shuffle<i32>(c, e, 2, 6, 3, 7);
      v128.store(to + 2 * width, v128.xor(flip, v128.shuffle<i64>(ab, ce, 0, 2)));
      v128.store(to + 3 * width, v128.xor(flip, v128.shuffle<i64>(ab, ce, 1, 3)));
    }
  }
  for (let i = blocks; i < width; i++) {
    let units = load<f32>(s.unit + (i << 2)), row = s.W_enc + i * bytes;
    for (let k: usize = 0; k < d; k++) {
      let a: f32 = units * load<f32>(row + (k << 2));
      store<i8>(s.W_8 + k * width + i, <i8>(<i32>nearest<f32>(a) ^ s.flip));
    }
  }
}

/** What the sums of four latents must exceed. */
// @ts-ignore: decorator
@inline
function cutOf(s: Shard, o: usize, unit: v128, error: v128, norm: v128): v128 {
  let a = f32x4.mul(unit, v128.load(s.cut + o));
  return fma(norm, v128.load(s.error_8 + o), fma(error, v128.load(s.norm_8 + o), a));
}

/**
 * Appends to the compressed rows the entries of m tokens that may exceed `low`; their values are still to come.
 * @param sums i32 [m, width] x_8 W_8 in whole units; first: row of the first token; nnz: entries so far.
 * @returns entries now, or -1 if they might not fit.
 */
export function propose(s: Shard, sums: usize, first: u32, m: u32, nnz: i32): i32 {
  let width: usize = s.width, index = s.index, blocks = width & ~15;
  for (let n: usize = 0; n < <usize>m; n++) {
    let at = (<usize>first + n) << 2;
    store<i32>(s.row_start + at, nnz);
    if (<usize>nnz + width > <usize>s.capacity) return -1;
    let unit = load<f32>(s.x_unit + at), error = load<f32>(s.x_error + at), norm = load<f32>(s.x_norm + at);
    let u = f32x4.splat(unit), e = f32x4.splat(-error), h = f32x4.splat(-norm);
    let row = sums + ((n * width) << 2);
    for (let j: usize = 0; j < blocks; j += 16) {
      let o = j << 2, p = row + o;
      let m0 = f32x4.gt(f32x4.convert_i32x4_s(v128.load(p)), cutOf(s, o, u, e, h));
      let m1 = f32x4.gt(f32x4.convert_i32x4_s(v128.load(p, 16)), cutOf(s, o + 16, u, e, h));
      let m2 = f32x4.gt(f32x4.convert_i32x4_s(v128.load(p, 32)), cutOf(s, o + 32, u, e, h));
      let m3 = f32x4.gt(f32x4.convert_i32x4_s(v128.load(p, 48)), cutOf(s, o + 48, u, e, h));
      if (!v128.any_true(v128.or(v128.or(m0, m1), v128.or(m2, m3)))) continue;
      let bits = i32x4.bitmask(m0) | (i32x4.bitmask(m1) << 4) | (i32x4.bitmask(m2) << 8) | (i32x4.bitmask(m3) << 12);
      while (bits) {
        let b = <usize>ctz(bits);
        bits &= bits - 1;
        store<i32>(index + ((<usize>nnz) << 2), <i32>(j + b));
        nnz++;
      }
    }
    for (let j = blocks; j < width; j++) {
      let o = j << 2;
      let cut: f32 = unit * load<f32>(s.cut + o) - error * load<f32>(s.norm_8 + o) - norm * load<f32>(s.error_8 + o);
      if (<f32>load<i32>(row + o) > cut) {
        store<i32>(index + ((<usize>nnz) << 2), <i32>j);
        nnz++;
      }
    }
  }
  store<i32>(s.row_start + ((<usize>first + m) << 2), nnz);
  return nnz;
}

/** The value of the entry whose place stands at `at` of col_value. */
// @ts-ignore: decorator
@inline
function put(s: Shard, at: usize, z: f32): void {
  store<f32>(s.value + ((<usize>load<i32>(s.col_value + at)) << 2), z);
}

/** The row of x of the entry at `at`. */
// @ts-ignore: decorator
@inline
function inputOf(s: Shard, at: usize): usize {
  return s.x + ((<usize>load<i32>(s.token + at) * <usize>s.d) << 2);
}

/** Values of the sorted entries of latent i, four at a time; each is the same sum whoever stands beside it. */
// @ts-ignore: decorator
@inline
function valuesOf(s: Shard, i: usize): void {
  let bytes = (<usize>s.d) << 2, w = s.W_enc + i * bytes, b = load<f32>(s.b_enc + (i << 2));
  let at = (<usize>load<i32>(s.col_start + (i << 2))) << 2, stop = (<usize>load<i32>(s.col_start + (i << 2), 4)) << 2;
  for (; at + 12 < stop; at += 16) {
    let x0 = inputOf(s, at), x1 = inputOf(s, at + 4), x2 = inputOf(s, at + 8), x3 = inputOf(s, at + 12);
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
    let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
    for (let k: usize = 0; k < bytes; k += 32) {
      let u = v128.load(w + k), v = v128.load(w + k, 16);
      a0 = fma(u, v128.load(x0 + k), a0), b0 = fma(v, v128.load(x0 + k, 16), b0);
      a1 = fma(u, v128.load(x1 + k), a1), b1 = fma(v, v128.load(x1 + k, 16), b1);
      a2 = fma(u, v128.load(x2 + k), a2), b2 = fma(v, v128.load(x2 + k, 16), b2);
      a3 = fma(u, v128.load(x3 + k), a3), b3 = fma(v, v128.load(x3 + k, 16), b3);
    }
    put(s, at, b + sum4(f32x4.add(a0, b0)));
    put(s, at + 4, b + sum4(f32x4.add(a1, b1)));
    put(s, at + 8, b + sum4(f32x4.add(a2, b2)));
    put(s, at + 12, b + sum4(f32x4.add(a3, b3)));
  }
  for (; at < stop; at += 4) {
    let x0 = inputOf(s, at), a0 = f32x4.splat(0), b0 = f32x4.splat(0);
    for (let k: usize = 0; k < bytes; k += 32) {
      a0 = fma(v128.load(w + k), v128.load(x0 + k), a0), b0 = fma(v128.load(w + k, 16), v128.load(x0 + k, 16), b0);
    }
    put(s, at, b + sum4(f32x4.add(a0, b0)));
  }
}

/**
 * Computes the proposed entries of tokens [first, first + m) in full and keeps those above `low`. They go through latent by
 * latent, so that a row of W_enc passes once while the tokens' rows stay in cache; col_start, token and col_value hold the
 * entries so sorted meanwhile.
 * @returns entries now.
 */
export function decide(s: Shard, first: u32, m: u32): i32 {
  let width: usize = s.width, start = s.col_start, end = <usize>first + m;
  memory.fill(start, 0, (width + 2) << 2);
  let from = <usize>load<i32>(s.row_start + ((<usize>first) << 2)), stop = <usize>load<i32>(s.row_start + (end << 2));
  for (let e = from; e < stop; e++) {
    let c = start + ((<usize>load<i32>(s.index + (e << 2)) + 2) << 2);
    store<i32>(c, load<i32>(c) + 1);
  }
  for (let i: usize = 2; i < width + 2; i++) {
    let c = start + (i << 2);
    store<i32>(c, load<i32>(c) + load<i32>(c - 4));
  }
  for (let n: usize = first, e = from; n < end; n++) {
    let last = <usize>load<i32>(s.row_start + (n << 2), 4);
    for (; e < last; e++) {
      let c = start + ((<usize>load<i32>(s.index + (e << 2)) + 1) << 2);
      let at = (<usize>load<i32>(c)) << 2;
      store<i32>(c, load<i32>(c) + 1);
      store<i32>(s.token + at, <i32>n);
      store<i32>(s.col_value + at, <i32>e);
    }
  }
  for (let i: usize = 0; i < width; i++) valuesOf(s, i);
  let to = from;
  for (let n: usize = first, e = from; n < end; n++) {
    let last = <usize>load<i32>(s.row_start + (n << 2), 4);
    store<i32>(s.row_start + (n << 2), <i32>to);
    for (; e < last; e++) {
      let i = load<i32>(s.index + (e << 2)), z = load<f32>(s.value + (e << 2));
      store<i32>(s.index + (to << 2), i);
      store<f32>(s.value + (to << 2), z);
      to += <usize>(z > load<f32>(s.low + ((<usize>i) << 2)));
    }
  }
  store<i32>(s.row_start + (end << 2), <i32>to);
  return <i32>to;
}
