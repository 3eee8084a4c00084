// y = x W^T for 16 n rows of W from row 16 first on, and m rows of x. The rows of W are cut into quarters, and a group of four rows of
// each quarter is read at a time: a core gets more out of memory from four places than from one, and what is loaded of x serves
// all four. The first row of x reads the groups from memory, the others find them in cache.
import { INPUT_BYTES, INPUT_FLIPS, INPUT_OFFSET, INPUT_SIGN, INPUT_SIGNED, INPUT_UNIT, Q4_BYTES, Q8_BYTES } from "./layout";
import { dot4, fma, loadHalves } from "./vector";

/** sum += units of W at `units` and of the inputs at `x`, times the integer sums. */
// @ts-ignore: decorator
@inline
function scaled(sums: v128, units: usize, x: usize, sum: v128): v128 {
  return fma(f32x4.convert_i32x4_s(sums), f32x4.mul(loadHalves(units), v128.load32_splat(x, INPUT_UNIT)), sum);
}

/** Stores the sums of a group of each quarter. */
// @ts-ignore: decorator
@inline
function storeSums(y: usize, quarter: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
  v128.store(y, s0);
  v128.store(y + quarter, s1);
  v128.store(y + (quarter << 1), s2);
  v128.store(y + (quarter << 1) + quarter, s3);
}

/** Four columns of four rows with 8 bits. */
// @ts-ignore: decorator
@inline
function step8(w: v128, sign: v128, magnitude: v128, sums: v128): v128 {
  return dot4(v128.xor(w, sign), magnitude, sums);
}

/**
 * 8-bit weights.
 * @param x [m, d / 32] rounded inputs; y [m, stride] floats.
 */
export function product_q8(w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  let group = (<usize>d >> 5) * Q8_BYTES, quarter = group * <usize>n, x_row = (<usize>d >> 5) * INPUT_BYTES, y_row = <usize>stride << 2;
  w += <usize>first * (group << 2);
  y += <usize>first << 6;
  for (let g: u32 = 0; g < n; g++, w += group, y += 16) {
    for (let t: u32 = 0, input = x, out = y; t < m; t++, out += y_row) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let p0 = w, p1 = p0 + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
      for (let end = input + x_row; input < end; input += INPUT_BYTES, p0 += 8, p1 += 8, p2 += 8, p3 += 8) {
        let a0 = v128.load32_splat(input, INPUT_FLIPS), a1 = a0, a2 = a0, a3 = a0;
        for (let k = input; k < input + 32; k += 16, p0 += 64, p1 += 64, p2 += 64, p3 += 64) {
          let s = v128.load32_splat(k, INPUT_SIGN), q = v128.load32_splat(k);
          a0 = step8(v128.load(p0), s, q, a0);
          a1 = step8(v128.load(p1), s, q, a1);
          a2 = step8(v128.load(p2), s, q, a2);
          a3 = step8(v128.load(p3), s, q, a3);
          s = v128.load32_splat(k, INPUT_SIGN + 4), q = v128.load32_splat(k, 4);
          a0 = step8(v128.load(p0, 16), s, q, a0);
          a1 = step8(v128.load(p1, 16), s, q, a1);
          a2 = step8(v128.load(p2, 16), s, q, a2);
          a3 = step8(v128.load(p3, 16), s, q, a3);
          s = v128.load32_splat(k, INPUT_SIGN + 8), q = v128.load32_splat(k, 8);
          a0 = step8(v128.load(p0, 32), s, q, a0);
          a1 = step8(v128.load(p1, 32), s, q, a1);
          a2 = step8(v128.load(p2, 32), s, q, a2);
          a3 = step8(v128.load(p3, 32), s, q, a3);
          s = v128.load32_splat(k, INPUT_SIGN + 12), q = v128.load32_splat(k, 12);
          a0 = step8(v128.load(p0, 48), s, q, a0);
          a1 = step8(v128.load(p1, 48), s, q, a1);
          a2 = step8(v128.load(p2, 48), s, q, a2);
          a3 = step8(v128.load(p3, 48), s, q, a3);
        }
        s0 = scaled(a0, p0, input, s0);
        s1 = scaled(a1, p1, input, s1);
        s2 = scaled(a2, p2, input, s2);
        s3 = scaled(a3, p3, input, s3);
      }
      storeSums(out, <usize>n << 4, s0, s1, s2, s3);
    }
  }
}

/** Four columns and the four 16 further on, of four rows with 4 bits. */
// @ts-ignore: decorator
@inline
function step4(w: v128, near: v128, far: v128, sums: v128): v128 {
  let mask = i8x16.splat(15);
  return dot4(far, v128.and(i16x8.shr_u(w, 4), mask), dot4(near, v128.and(w, mask), sums));
}

/** 4-bit weights. */
export function product_q4(w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  let group = (<usize>d >> 5) * Q4_BYTES, quarter = group * <usize>n, x_row = (<usize>d >> 5) * INPUT_BYTES, y_row = <usize>stride << 2;
  w += <usize>first * (group << 2);
  y += <usize>first << 6;
  for (let g: u32 = 0; g < n; g++, w += group, y += 16) {
    for (let t: u32 = 0, input = x, out = y; t < m; t++, out += y_row) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let p0 = w, p1 = p0 + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
      for (let end = input + x_row; input < end; input += INPUT_BYTES, p0 += 8, p1 += 8, p2 += 8, p3 += 8) {
        let a0 = v128.load32_splat(input, INPUT_OFFSET), a1 = a0, a2 = a0, a3 = a0;
        for (let k = input + INPUT_SIGNED; k < input + (INPUT_SIGNED + 16); k += 8, p0 += 32, p1 += 32, p2 += 32, p3 += 32) {
          let near = v128.load32_splat(k), far = v128.load32_splat(k, 16);
          a0 = step4(v128.load(p0), near, far, a0);
          a1 = step4(v128.load(p1), near, far, a1);
          a2 = step4(v128.load(p2), near, far, a2);
          a3 = step4(v128.load(p3), near, far, a3);
          near = v128.load32_splat(k, 4), far = v128.load32_splat(k, 20);
          a0 = step4(v128.load(p0, 16), near, far, a0);
          a1 = step4(v128.load(p1, 16), near, far, a1);
          a2 = step4(v128.load(p2, 16), near, far, a2);
          a3 = step4(v128.load(p3, 16), near, far, a3);
        }
        s0 = scaled(a0, p0, input, s0);
        s1 = scaled(a1, p1, input, s1);
        s2 = scaled(a2, p2, input, s2);
        s3 = scaled(a3, p3, input, s3);
      }
      storeSums(out, <usize>n << 4, s0, s1, s2, s3);
    }
  }
}

/** The even column of a vector of two columns of four rows, as floats; of f16 2^112 too small, its bits where a float's lie. */
// @ts-ignore: decorator
@inline
function even(is_f16: bool, v: v128): v128 {
  if (is_f16) return v128.and(i32x4.shr_s(i32x4.shl(v, 16), 3), i32x4.splat(0x8fffe000));
  return i32x4.shl(v, 16);
}

/** The odd column. */
// @ts-ignore: decorator
@inline
function odd(is_f16: bool, v: v128): v128 {
  if (is_f16) return v128.and(i32x4.shr_s(v, 3), i32x4.splat(0x8fffe000));
  return v128.and(v, i32x4.splat(0xffff0000));
}

/** 16-bit weights, f16 or else bf16. */
// @ts-ignore: decorator
@inline
function product16(is_f16: bool, w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  let group = <usize>d << 3, quarter = group * <usize>n, x_row = <usize>d << 2, y_row = <usize>stride << 2;
  let scales = w + ((<usize>stride * <usize>d) << 1) + (<usize>first << 6);
  w += <usize>first * (group << 2);
  y += <usize>first << 6;
  for (let g: u32 = 0; g < n; g++, w += group, y += 16, scales += 16) {
    for (let t: u32 = 0, input = x, out = y; t < m; t++, out += y_row) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, u0 = s0, u1 = s0, u2 = s0, u3 = s0;
      let p0 = w, p1 = p0 + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
      for (let end = input + x_row; input < end; input += 8, p0 += 16, p1 += 16, p2 += 16, p3 += 16) {
        let a = v128.load32_splat(input), b = v128.load32_splat(input, 4);
        let v = v128.load(p0);
        s0 = fma(even(is_f16, v), a, s0);
        u0 = fma(odd(is_f16, v), b, u0);
        v = v128.load(p1);
        s1 = fma(even(is_f16, v), a, s1);
        u1 = fma(odd(is_f16, v), b, u1);
        v = v128.load(p2);
        s2 = fma(even(is_f16, v), a, s2);
        u2 = fma(odd(is_f16, v), b, u2);
        v = v128.load(p3);
        s3 = fma(even(is_f16, v), a, s3);
        u3 = fma(odd(is_f16, v), b, u3);
      }
      s0 = f32x4.add(s0, u0), s1 = f32x4.add(s1, u1), s2 = f32x4.add(s2, u2), s3 = f32x4.add(s3, u3);
      if (is_f16) {
        let far = scales + (<usize>n << 5);
        s0 = f32x4.mul(s0, v128.load(scales));
        s1 = f32x4.mul(s1, v128.load(scales + (<usize>n << 4)));
        s2 = f32x4.mul(s2, v128.load(far));
        s3 = f32x4.mul(s3, v128.load(far + (<usize>n << 4)));
      }
      storeSums(out, <usize>n << 4, s0, s1, s2, s3);
    }
  }
}

/** bf16 weights: x [m, d] and y [m, stride] floats. */
export function product_bf16(w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  product16(false, w, first, n, x, m, d, y, stride);
}

/** f16 weights: x [m, d] times 2^64; the scales lie behind `stride` rows. */
export function product_f16(w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  product16(true, w, first, n, x, m, d, y, stride);
}

/** f32 weights. */
export function product_f32(w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  let group = <usize>d << 4, quarter = group * <usize>n, x_row = <usize>d << 2, y_row = <usize>stride << 2;
  w += <usize>first * (group << 2);
  y += <usize>first << 6;
  for (let g: u32 = 0; g < n; g++, w += group, y += 16) {
    for (let t: u32 = 0, input = x, out = y; t < m; t++, out += y_row) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let p0 = w, p1 = p0 + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
      for (let end = input + x_row; input < end; input += 8, p0 += 32, p1 += 32, p2 += 32, p3 += 32) {
        let a = v128.load32_splat(input), b = v128.load32_splat(input, 4);
        s0 = fma(v128.load(p0, 16), b, fma(v128.load(p0), a, s0));
        s1 = fma(v128.load(p1, 16), b, fma(v128.load(p1), a, s1));
        s2 = fma(v128.load(p2, 16), b, fma(v128.load(p2), a, s2));
        s3 = fma(v128.load(p3, 16), b, fma(v128.load(p3), a, s3));
      }
      storeSums(out, <usize>n << 4, s0, s1, s2, s3);
    }
  }
}
