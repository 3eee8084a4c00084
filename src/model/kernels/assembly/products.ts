// y = x W^T for 16 n rows of W from row 16 first on, and m rows of x. The rows of W are cut into quarters, and a group of four rows of
// each quarter is read at a time: a core gets more out of memory from four places than from one, and what is loaded of x serves
// all four. A block of columns is multiplied by every row of x before the next is read: W streams from memory once. The sums so far
// stand in y.
import { BLOCK, INPUT_BYTES, INPUT_FLIPS, INPUT_OFFSET, INPUT_SIGN, INPUT_SIGNED, INPUT_UNIT, Q4_BYTES, Q8_BYTES } from "./layout";
import { dot4, fma, loadHalves } from "./vector";

/** Sets the sums of a group of each quarter to 0, for m rows of x. */
// @ts-ignore: decorator
@inline
function clear(y: usize, y_row: usize, quarter: usize, m: u32): void {
  for (let t: u32 = 0; t < m; t++, y += y_row) {
    v128.store(y, i32x4.splat(0));
    v128.store(y + quarter, i32x4.splat(0));
    v128.store(y + (quarter << 1), i32x4.splat(0));
    v128.store(y + (quarter << 1) + quarter, i32x4.splat(0));
  }
}

/** Adds to the sums of four rows: units of W at `units` and of the inputs at `x`, times sums of integers. */
// @ts-ignore: decorator
@inline
function add(y: usize, sums: v128, units: usize, x: usize): void {
  let unit = f32x4.mul(loadHalves(units), v128.load32_splat(x, INPUT_UNIT));
  v128.store(y, fma(f32x4.convert_i32x4_s(sums), unit, v128.load(y)));
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
  let group = (<usize>d >> 5) * Q8_BYTES, quarter = group * <usize>n, apart = <usize>n << 4;
  let x_row = (<usize>d >> 5) * INPUT_BYTES, y_row = <usize>stride << 2;
  w += <usize>first * (group << 2);
  y += <usize>first << 6;
  for (let g: u32 = 0; g < n; g++, w += group, y += 16) {
    clear(y, y_row, apart, m);
    let p0 = w, p1 = p0 + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
    for (let block = x, end = x + x_row; block < end; block += INPUT_BYTES) {
      let input = block, out = y;
      for (let t: u32 = 0; t < m; t++, input += x_row, out += y_row) {
        let a0 = v128.load32_splat(input, INPUT_FLIPS), a1 = a0, a2 = a0, a3 = a0;
        for (let k = input, j: usize = 0; j < 128; k += 16, j += 64) {
          let s = v128.load32_splat(k, INPUT_SIGN), q = v128.load32_splat(k);
          a0 = step8(v128.load(p0 + j), s, q, a0);
          a1 = step8(v128.load(p1 + j), s, q, a1);
          a2 = step8(v128.load(p2 + j), s, q, a2);
          a3 = step8(v128.load(p3 + j), s, q, a3);
          s = v128.load32_splat(k, INPUT_SIGN + 4), q = v128.load32_splat(k, 4);
          a0 = step8(v128.load(p0 + j, 16), s, q, a0);
          a1 = step8(v128.load(p1 + j, 16), s, q, a1);
          a2 = step8(v128.load(p2 + j, 16), s, q, a2);
          a3 = step8(v128.load(p3 + j, 16), s, q, a3);
          s = v128.load32_splat(k, INPUT_SIGN + 8), q = v128.load32_splat(k, 8);
          a0 = step8(v128.load(p0 + j, 32), s, q, a0);
          a1 = step8(v128.load(p1 + j, 32), s, q, a1);
          a2 = step8(v128.load(p2 + j, 32), s, q, a2);
          a3 = step8(v128.load(p3 + j, 32), s, q, a3);
          s = v128.load32_splat(k, INPUT_SIGN + 12), q = v128.load32_splat(k, 12);
          a0 = step8(v128.load(p0 + j, 48), s, q, a0);
          a1 = step8(v128.load(p1 + j, 48), s, q, a1);
          a2 = step8(v128.load(p2 + j, 48), s, q, a2);
          a3 = step8(v128.load(p3 + j, 48), s, q, a3);
        }
        add(out, a0, p0 + 128, input);
        add(out + apart, a1, p1 + 128, input);
        add(out + (apart << 1), a2, p2 + 128, input);
        add(out + (apart << 1) + apart, a3, p3 + 128, input);
      }
      p0 += Q8_BYTES; p1 += Q8_BYTES; p2 += Q8_BYTES; p3 += Q8_BYTES;
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
  let group = (<usize>d >> 5) * Q4_BYTES, quarter = group * <usize>n, apart = <usize>n << 4;
  let x_row = (<usize>d >> 5) * INPUT_BYTES, y_row = <usize>stride << 2;
  w += <usize>first * (group << 2);
  y += <usize>first << 6;
  for (let g: u32 = 0; g < n; g++, w += group, y += 16) {
    clear(y, y_row, apart, m);
    let p0 = w, p1 = p0 + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
    for (let block = x, end = x + x_row; block < end; block += INPUT_BYTES) {
      let input = block, out = y;
      for (let t: u32 = 0; t < m; t++, input += x_row, out += y_row) {
        let a0 = v128.load32_splat(input, INPUT_OFFSET), a1 = a0, a2 = a0, a3 = a0;
        for (let k = input, j: usize = 0; j < 64; k += 8, j += 32) {
          let near = v128.load32_splat(k, INPUT_SIGNED), far = v128.load32_splat(k, INPUT_SIGNED + 16);
          a0 = step4(v128.load(p0 + j), near, far, a0);
          a1 = step4(v128.load(p1 + j), near, far, a1);
          a2 = step4(v128.load(p2 + j), near, far, a2);
          a3 = step4(v128.load(p3 + j), near, far, a3);
          near = v128.load32_splat(k, INPUT_SIGNED + 4), far = v128.load32_splat(k, INPUT_SIGNED + 20);
          a0 = step4(v128.load(p0 + j, 16), near, far, a0);
          a1 = step4(v128.load(p1 + j, 16), near, far, a1);
          a2 = step4(v128.load(p2 + j, 16), near, far, a2);
          a3 = step4(v128.load(p3 + j, 16), near, far, a3);
        }
        add(out, a0, p0 + 64, input);
        add(out + apart, a1, p1 + 64, input);
        add(out + (apart << 1), a2, p2 + 64, input);
        add(out + (apart << 1) + apart, a3, p3 + 64, input);
      }
      p0 += Q4_BYTES; p1 += Q4_BYTES; p2 += Q4_BYTES; p3 += Q4_BYTES;
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

/** y += a + b. */
// @ts-ignore: decorator
@inline
function add2(y: usize, a: v128, b: v128): void {
  v128.store(y, f32x4.add(v128.load(y), f32x4.add(a, b)));
}

/** 16-bit weights, f16 or else bf16. */
// @ts-ignore: decorator
@inline
function product16(is_f16: bool, w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  let group = <usize>d << 3, quarter = group * <usize>n, apart = <usize>n << 4;
  let x_row = <usize>d << 2, y_row = <usize>stride << 2;
  let scales = w + ((<usize>stride * <usize>d) << 1) + (<usize>first << 6);
  w += <usize>first * (group << 2);
  y += <usize>first << 6;
  for (let g: u32 = 0; g < n; g++, w += group, y += 16, scales += 16) {
    clear(y, y_row, apart, m);
    let p0 = w, p1 = p0 + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
    for (let block = x, end = x + x_row; block < end; block += BLOCK << 2) {
      let input = block, out = y;
      for (let t: u32 = 0; t < m; t++, input += x_row, out += y_row) {
        let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, u0 = s0, u1 = s0, u2 = s0, u3 = s0;
        for (let k = input, j: usize = 0; j < BLOCK << 3; k += 8, j += 16) {
          let a = v128.load32_splat(k), b = v128.load32_splat(k, 4);
          let v = v128.load(p0 + j);
          s0 = fma(even(is_f16, v), a, s0);
          u0 = fma(odd(is_f16, v), b, u0);
          v = v128.load(p1 + j);
          s1 = fma(even(is_f16, v), a, s1);
          u1 = fma(odd(is_f16, v), b, u1);
          v = v128.load(p2 + j);
          s2 = fma(even(is_f16, v), a, s2);
          u2 = fma(odd(is_f16, v), b, u2);
          v = v128.load(p3 + j);
          s3 = fma(even(is_f16, v), a, s3);
          u3 = fma(odd(is_f16, v), b, u3);
        }
        add2(out, s0, u0);
        add2(out + apart, s1, u1);
        add2(out + (apart << 1), s2, u2);
        add2(out + (apart << 1) + apart, s3, u3);
      }
      p0 += BLOCK << 3; p1 += BLOCK << 3; p2 += BLOCK << 3; p3 += BLOCK << 3;
    }
    if (!is_f16) continue;
    for (let t: u32 = 0, out = y; t < m; t++, out += y_row) {
      for (let at: usize = 0; at < apart << 2; at += apart) {
        v128.store(out + at, f32x4.mul(v128.load(out + at), v128.load(scales + at)));
      }
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
  let group = <usize>d << 4, quarter = group * <usize>n, apart = <usize>n << 4;
  let x_row = <usize>d << 2, y_row = <usize>stride << 2;
  w += <usize>first * (group << 2);
  y += <usize>first << 6;
  for (let g: u32 = 0; g < n; g++, w += group, y += 16) {
    clear(y, y_row, apart, m);
    let p0 = w, p1 = p0 + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
    for (let block = x, end = x + x_row; block < end; block += BLOCK << 2) {
      let input = block, out = y;
      for (let t: u32 = 0; t < m; t++, input += x_row, out += y_row) {
        let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, u0 = s0, u1 = s0, u2 = s0, u3 = s0;
        for (let k = input, j: usize = 0; j < BLOCK << 4; k += 8, j += 32) {
          let a = v128.load32_splat(k), b = v128.load32_splat(k, 4);
          s0 = fma(v128.load(p0 + j), a, s0);
          u0 = fma(v128.load(p0 + j, 16), b, u0);
          s1 = fma(v128.load(p1 + j), a, s1);
          u1 = fma(v128.load(p1 + j, 16), b, u1);
          s2 = fma(v128.load(p2 + j), a, s2);
          u2 = fma(v128.load(p2 + j, 16), b, u2);
          s3 = fma(v128.load(p3 + j), a, s3);
          u3 = fma(v128.load(p3 + j, 16), b, u3);
        }
        add2(out, s0, u0);
        add2(out + apart, s1, u1);
        add2(out + (apart << 1), s2, u2);
        add2(out + (apart << 1) + apart, s3, u3);
      }
      p0 += BLOCK << 4; p1 += BLOCK << 4; p2 += BLOCK << 4; p3 += BLOCK << 4;
    }
  }
}
