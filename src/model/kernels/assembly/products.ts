// y = x W^T for groups of four rows of W and m rows of x. A tile of four rows of x, or one, goes over a group; the tiles after the
// first find the group in cache, so that W is read from memory once.
import { INPUT_BYTES, INPUT_FLIPS, INPUT_OFFSET, INPUT_SIGN, INPUT_SIGNED, INPUT_UNIT, Q4_BYTES, Q8_BYTES } from "./layout";
import { dot4, fma, loadHalves } from "./vector";

/** sum += units of x and W times the integer sums. */
// @ts-ignore: decorator
@inline
function scaled(sums: v128, units: v128, x: usize, sum: v128): v128 {
  return fma(f32x4.convert_i32x4_s(sums), f32x4.mul(units, v128.load32_splat(x, INPUT_UNIT)), sum);
}

/** Four columns of four rows of q8. */
// @ts-ignore: decorator
@inline
function step8(w: v128, x: usize, k: usize, sums: v128): v128 {
  return dot4(v128.xor(w, v128.load32_splat(x + k, INPUT_SIGN)), v128.load32_splat(x + k), sums);
}

/** Four columns and the four 16 further on, of four rows of q4. */
// @ts-ignore: decorator
@inline
function step4(low: v128, high: v128, x: usize, k: usize, sums: v128): v128 {
  sums = dot4(v128.load32_splat(x + k, INPUT_SIGNED), low, sums);
  return dot4(v128.load32_splat(x + k, INPUT_SIGNED + 16), high, sums);
}

/**
 * Rows 4 first .. 4 (first + n) of W with 8-bit weights.
 * @param x [m, n_blocks] rounded inputs; y [m, stride] floats.
 */
export function product_q8(w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  let n_blocks = <usize>d >> 5, x_row = n_blocks * INPUT_BYTES, y_row = <usize>stride << 2;
  w += <usize>first * n_blocks * Q8_BYTES;
  y += <usize>first << 4;
  for (let g: u32 = 0; g < n; g++, w += n_blocks * Q8_BYTES, y += 16) {
    let t: u32 = 0, xt = x, yt = y;
    for (; t + 4 <= m; t += 4, xt += x_row << 2, yt += y_row << 2) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let x0 = xt, x1 = x0 + x_row, x2 = x1 + x_row, x3 = x2 + x_row, p = w;
      for (let end = p + n_blocks * Q8_BYTES; p < end; p += Q8_BYTES) {
        let a0 = v128.load32_splat(x0, INPUT_FLIPS), a1 = v128.load32_splat(x1, INPUT_FLIPS);
        let a2 = v128.load32_splat(x2, INPUT_FLIPS), a3 = v128.load32_splat(x3, INPUT_FLIPS);
        for (let k: usize = 0; k < 32; k += 4) {
          let v = v128.load(p + (k << 2));
          a0 = step8(v, x0, k, a0);
          a1 = step8(v, x1, k, a1);
          a2 = step8(v, x2, k, a2);
          a3 = step8(v, x3, k, a3);
        }
        let units = loadHalves(p + 128);
        s0 = scaled(a0, units, x0, s0);
        s1 = scaled(a1, units, x1, s1);
        s2 = scaled(a2, units, x2, s2);
        s3 = scaled(a3, units, x3, s3);
        x0 += INPUT_BYTES; x1 += INPUT_BYTES; x2 += INPUT_BYTES; x3 += INPUT_BYTES;
      }
      v128.store(yt, s0);
      v128.store(yt + y_row, s1);
      v128.store(yt + (y_row << 1), s2);
      v128.store(yt + (y_row << 1) + y_row, s3);
    }
    for (; t < m; t++, xt += x_row, yt += y_row) {
      let s0 = f32x4.splat(0), x0 = xt, p = w;
      for (let end = p + n_blocks * Q8_BYTES; p < end; p += Q8_BYTES, x0 += INPUT_BYTES) {
        let a0 = v128.load32_splat(x0, INPUT_FLIPS), a1 = i32x4.splat(0);
        a0 = step8(v128.load(p), x0, 0, a0);
        a1 = step8(v128.load(p, 16), x0, 4, a1);
        a0 = step8(v128.load(p, 32), x0, 8, a0);
        a1 = step8(v128.load(p, 48), x0, 12, a1);
        a0 = step8(v128.load(p, 64), x0, 16, a0);
        a1 = step8(v128.load(p, 80), x0, 20, a1);
        a0 = step8(v128.load(p, 96), x0, 24, a0);
        a1 = step8(v128.load(p, 112), x0, 28, a1);
        s0 = scaled(i32x4.add(a0, a1), loadHalves(p + 128), x0, s0);
      }
      v128.store(yt, s0);
    }
  }
}

/** The same with 4-bit weights. */
export function product_q4(w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  let n_blocks = <usize>d >> 5, x_row = n_blocks * INPUT_BYTES, y_row = <usize>stride << 2;
  let mask = i8x16.splat(15);
  w += <usize>first * n_blocks * Q4_BYTES;
  y += <usize>first << 4;
  for (let g: u32 = 0; g < n; g++, w += n_blocks * Q4_BYTES, y += 16) {
    let t: u32 = 0, xt = x, yt = y;
    for (; t + 4 <= m; t += 4, xt += x_row << 2, yt += y_row << 2) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let x0 = xt, x1 = x0 + x_row, x2 = x1 + x_row, x3 = x2 + x_row, p = w;
      for (let end = p + n_blocks * Q4_BYTES; p < end; p += Q4_BYTES) {
        let a0 = v128.load32_splat(x0, INPUT_OFFSET), a1 = v128.load32_splat(x1, INPUT_OFFSET);
        let a2 = v128.load32_splat(x2, INPUT_OFFSET), a3 = v128.load32_splat(x3, INPUT_OFFSET);
        for (let k: usize = 0; k < 16; k += 4) {
          let v = v128.load(p + (k << 2));
          let low = v128.and(v, mask), high = v128.and(i16x8.shr_u(v, 4), mask);
          a0 = step4(low, high, x0, k, a0);
          a1 = step4(low, high, x1, k, a1);
          a2 = step4(low, high, x2, k, a2);
          a3 = step4(low, high, x3, k, a3);
        }
        let units = loadHalves(p + 64);
        s0 = scaled(a0, units, x0, s0);
        s1 = scaled(a1, units, x1, s1);
        s2 = scaled(a2, units, x2, s2);
        s3 = scaled(a3, units, x3, s3);
        x0 += INPUT_BYTES; x1 += INPUT_BYTES; x2 += INPUT_BYTES; x3 += INPUT_BYTES;
      }
      v128.store(yt, s0);
      v128.store(yt + y_row, s1);
      v128.store(yt + (y_row << 1), s2);
      v128.store(yt + (y_row << 1) + y_row, s3);
    }
    for (; t < m; t++, xt += x_row, yt += y_row) {
      let s0 = f32x4.splat(0), x0 = xt, p = w;
      for (let end = p + n_blocks * Q4_BYTES; p < end; p += Q4_BYTES, x0 += INPUT_BYTES) {
        let v0 = v128.load(p), v1 = v128.load(p, 16), v2 = v128.load(p, 32), v3 = v128.load(p, 48);
        let a0 = v128.load32_splat(x0, INPUT_OFFSET), a1 = i32x4.splat(0);
        a0 = step4(v128.and(v0, mask), v128.and(i16x8.shr_u(v0, 4), mask), x0, 0, a0);
        a1 = step4(v128.and(v1, mask), v128.and(i16x8.shr_u(v1, 4), mask), x0, 4, a1);
        a0 = step4(v128.and(v2, mask), v128.and(i16x8.shr_u(v2, 4), mask), x0, 8, a0);
        a1 = step4(v128.and(v3, mask), v128.and(i16x8.shr_u(v3, 4), mask), x0, 12, a1);
        s0 = scaled(i32x4.add(a0, a1), loadHalves(p + 64), x0, s0);
      }
      v128.store(yt, s0);
    }
  }
}

/** A vector of two columns of four rows as floats: the even column and the odd one. */
// @ts-ignore: decorator
@inline
function evenBf16(v: v128): v128 {
  return i32x4.shl(v, 16);
}
// @ts-ignore: decorator
@inline
function oddBf16(v: v128): v128 {
  return v128.and(v, i32x4.splat(0xffff0000));
}

/** The same of f16, 2^112 too small: its bits where those of a float lie. */
// @ts-ignore: decorator
@inline
function evenF16(v: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(v, 16), 3), i32x4.splat(0x8fffe000));
}
// @ts-ignore: decorator
@inline
function oddF16(v: v128): v128 {
  return v128.and(i32x4.shr_s(v, 3), i32x4.splat(0x8fffe000));
}

/** Rows of 16-bit weights, f16 or else bf16. */
// @ts-ignore: decorator
@inline
function product16(is_f16: bool, w: usize, first: u32, n: u32, x: usize, m: u32, d: u32, y: usize, stride: u32): void {
  let x_row = <usize>d << 2, w_group = <usize>d << 3, y_row = <usize>stride << 2;
  let scales = w + ((<usize>stride * <usize>d) << 1) + (<usize>first << 4);
  w += <usize>first * w_group;
  y += <usize>first << 4;
  for (let g: u32 = 0; g < n; g++, w += w_group, y += 16, scales += 16) {
    let t: u32 = 0, xt = x, yt = y;
    let scale = is_f16 ? v128.load(scales) : f32x4.splat(1);
    for (; t + 4 <= m; t += 4, xt += x_row << 2, yt += y_row << 2) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, u0 = s0, u1 = s0, u2 = s0, u3 = s0;
      let x0 = xt, x1 = x0 + x_row, x2 = x1 + x_row, x3 = x2 + x_row, p = w;
      for (let end = p + w_group; p < end; p += 16) {
        let v = v128.load(p), a = is_f16 ? evenF16(v) : evenBf16(v), b = is_f16 ? oddF16(v) : oddBf16(v);
        s0 = fma(a, v128.load32_splat(x0), s0);
        u0 = fma(b, v128.load32_splat(x0, 4), u0);
        s1 = fma(a, v128.load32_splat(x1), s1);
        u1 = fma(b, v128.load32_splat(x1, 4), u1);
        s2 = fma(a, v128.load32_splat(x2), s2);
        u2 = fma(b, v128.load32_splat(x2, 4), u2);
        s3 = fma(a, v128.load32_splat(x3), s3);
        u3 = fma(b, v128.load32_splat(x3, 4), u3);
        x0 += 8; x1 += 8; x2 += 8; x3 += 8;
      }
      v128.store(yt, f32x4.mul(f32x4.add(s0, u0), scale));
      v128.store(yt + y_row, f32x4.mul(f32x4.add(s1, u1), scale));
      v128.store(yt + (y_row << 1), f32x4.mul(f32x4.add(s2, u2), scale));
      v128.store(yt + (y_row << 1) + y_row, f32x4.mul(f32x4.add(s3, u3), scale));
    }
    for (; t < m; t++, xt += x_row, yt += y_row) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, x0 = xt, p = w;
      for (let end = p + w_group; p < end; p += 32, x0 += 16) {
        let v0 = v128.load(p), v1 = v128.load(p, 16);
        s0 = fma(is_f16 ? evenF16(v0) : evenBf16(v0), v128.load32_splat(x0), s0);
        s1 = fma(is_f16 ? oddF16(v0) : oddBf16(v0), v128.load32_splat(x0, 4), s1);
        s2 = fma(is_f16 ? evenF16(v1) : evenBf16(v1), v128.load32_splat(x0, 8), s2);
        s3 = fma(is_f16 ? oddF16(v1) : oddBf16(v1), v128.load32_splat(x0, 12), s3);
      }
      v128.store(yt, f32x4.mul(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)), scale));
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
  let x_row = <usize>d << 2, w_group = <usize>d << 4, y_row = <usize>stride << 2;
  w += <usize>first * w_group;
  y += <usize>first << 4;
  for (let g: u32 = 0; g < n; g++, w += w_group, y += 16) {
    for (let t: u32 = 0, xt = x, yt = y; t < m; t++, xt += x_row, yt += y_row) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, x0 = xt, p = w;
      for (let end = p + w_group; p < end; p += 64, x0 += 16) {
        s0 = fma(v128.load(p), v128.load32_splat(x0), s0);
        s1 = fma(v128.load(p, 16), v128.load32_splat(x0, 4), s1);
        s2 = fma(v128.load(p, 32), v128.load32_splat(x0, 8), s2);
        s3 = fma(v128.load(p, 48), v128.load32_splat(x0, 12), s3);
      }
      v128.store(yt, f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
    }
  }
}
