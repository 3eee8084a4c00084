// Rows of floats to packed matrices. `matrix` is its address, `first` the row of the first of `n` rows at x [n, d], d a multiple of 32.
import { BLOCK, Q4_BYTES, Q8_BYTES } from "./layout";
import { max4 } from "./vector";

/** The upper half of the float nearest to x, ties to even. */
// @ts-ignore: decorator
@inline
function half(x: f32): u32 {
  let u = reinterpret<u32>(x);
  return (u + 0x7fff + ((u >> 16) & 1)) >> 16;
}

/** 16 floats from `x` on, divided by `unit` and rounded to the nearest integers, ties to even; 0 where both are 0. */
// @ts-ignore: decorator
@inline
function round16(x: usize, unit: v128): v128 {
  let q0 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(x), unit)));
  let q1 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(x, 16), unit)));
  let q2 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(x, 32), unit)));
  let q3 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(x, 48), unit)));
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(q0, q1), i16x8.narrow_i32x4_s(q2, q3));
}

/** Four cells of a row. */
// @ts-ignore: decorator
@inline
function storeCells(at: usize, cells: v128): void {
  v128.store32_lane(at, cells, 0);
  v128.store32_lane(at, cells, 1, 16);
  v128.store32_lane(at, cells, 2, 32);
  v128.store32_lane(at, cells, 3, 48);
}

/** Symmetric 8 bits: unit = max |w| / 127 as the upper half of a float, q = w / unit within -127 and 127. */
export function pack_q8(matrix: usize, first: u32, x: usize, n: u32, d: u32): void {
  let n_blocks = <usize>d >> 5, least = i8x16.splat(-127);
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * n_blocks * Q8_BYTES, lane = <usize>(r & 3) << 2;
    for (let b: usize = 0; b < n_blocks; b++, at += Q8_BYTES, x += BLOCK << 2) {
      let largest = f32x4.splat(0);
      for (let k: usize = 0; k < 128; k += 16) largest = f32x4.pmax(largest, f32x4.abs(v128.load(x + k)));
      let code = half(max4(largest) / 127), unit = f32x4.splat(reinterpret<f32>(code << 16));
      store<u16>(at + 128 + (lane >> 1), <u16>code);
      storeCells(at + lane, i8x16.max_s(least, round16(x, unit)));
      storeCells(at + lane + 64, i8x16.max_s(least, round16(x + 64, unit)));
    }
  }
}

/**
 * Symmetric 4 bits: the weight farthest from 0 (the positive one of two) becomes -8, so unit = -it / 8, of either sign, as the upper
 * half of a float; q = w / unit within -8 and 7, stored as q + 8: column k of the first 16 in the lower half of a byte, k + 16 in
 * the upper.
 */
export function pack_q4(matrix: usize, first: u32, x: usize, n: u32, d: u32): void {
  let n_blocks = <usize>d >> 5, least = i8x16.splat(-8), most = i8x16.splat(7);
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * n_blocks * Q4_BYTES, lane = <usize>(r & 3) << 2;
    for (let b: usize = 0; b < n_blocks; b++, at += Q4_BYTES, x += BLOCK << 2) {
      let above = f32x4.splat(0), below = f32x4.splat(0);
      for (let k: usize = 0; k < 128; k += 16) {
        let w = v128.load(x + k);
        above = f32x4.pmax(above, w);
        below = f32x4.pmax(below, f32x4.neg(w));
      }
      let up = max4(above), down = max4(below);
      let code = half((up >= down ? up : -down) / -8), unit = f32x4.splat(reinterpret<f32>(code << 16));
      store<u16>(at + 64 + (lane >> 1), <u16>code);
      let low = i8x16.sub(i8x16.min_s(most, i8x16.max_s(least, round16(x, unit))), least);
      let high = i8x16.sub(i8x16.min_s(most, i8x16.max_s(least, round16(x + 64, unit))), least);
      storeCells(at + lane, v128.or(low, i16x8.shl(high, 4)));
    }
  }
}

/** The upper halves of floats, to nearest: exact where they were bf16. */
export function pack_bf16(matrix: usize, first: u32, x: usize, n: u32, d: u32): void {
  for (let r = first, end = first + n; r < end; r++, x += <usize>d << 2) {
    let at = matrix + <usize>(r >> 2) * (<usize>d << 3) + (<usize>(r & 3) << 2);
    for (let k: usize = 0; k < <usize>d; k += 2) {
      let p = x + (k << 2);
      store<u32>(at + (k << 3), half(load<f32>(p)) | (half(load<f32>(p, 4)) << 16));
    }
  }
}

/** The half-precision codes of four floats below 65,520 in magnitude, ties to even. */
// @ts-ignore: decorator
@inline
function halves(x: v128): v128 {
  let u = v128.and(x, i32x4.splat(0x7fffffff));
  let odd = v128.and(i32x4.shr_u(u, 13), i32x4.splat(1));
  let normal = i32x4.shr_u(i32x4.add(u, i32x4.add(odd, i32x4.splat(0xfff - (112 << 23)))), 13);
  let small = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(u, f32x4.splat(16777216))));
  let magnitude = v128.bitselect(small, normal, f32x4.lt(u, f32x4.splat(6.103515625e-5)));
  return v128.or(magnitude, v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000)));
}

/**
 * Half precision: every row is multiplied by the power of two that takes its largest weight to 2^14 .. 2^15, which is exact where the
 * weights were f16, and leaves hardly any subnormal code: those are slow. Scales [rows] lie behind the codes and hold what takes
 * the sum of `product_f16` back.
 */
export function pack_f16(matrix: usize, first: u32, x: usize, n: u32, d: u32, rows: u32): void {
  let scales = matrix + ((<usize>rows * <usize>d) << 1);
  for (let r = first, end = first + n; r < end; r++, x += <usize>d << 2) {
    let lanes = f32x4.splat(0);
    for (let k: usize = 0; k < <usize>d << 2; k += 16) lanes = f32x4.pmax(lanes, f32x4.abs(v128.load(x + k)));
    let largest = max4(lanes);
    let exponent = largest > 0 ? <i32>(reinterpret<u32>(largest) >> 23) - 127 : 0;
    let shift = min(max(14 - exponent, -78), 78);
    let power = f32x4.splat(reinterpret<f32>(<u32>(127 + shift) << 23));
    store<f32>(scales + (<usize>r << 2), reinterpret<f32>(<u32>(127 + 48 - shift) << 23));
    let at = matrix + <usize>(r >> 2) * (<usize>d << 3) + (<usize>(r & 3) << 2);
    for (let k: usize = 0; k < <usize>d; k += 4) {
      let codes = halves(f32x4.mul(power, v128.load(x + (k << 2))));
      let cells = i16x8.narrow_i32x4_u(codes, codes);
      v128.store32_lane(at + (k << 3), cells, 0);
      v128.store32_lane(at + (k << 3), cells, 1, 16);
    }
  }
}

export function pack_f32(matrix: usize, first: u32, x: usize, n: u32, d: u32): void {
  for (let r = first, end = first + n; r < end; r++, x += <usize>d << 2) {
    let at = matrix + <usize>(r >> 2) * (<usize>d << 4) + (<usize>(r & 3) << 2);
    for (let k: usize = 0; k < <usize>d; k++) store<f32>(at + (k << 4), load<f32>(x + (k << 2)));
  }
}
