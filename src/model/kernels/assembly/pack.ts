// Rows of floats to packed matrices. `matrix` is its address, `first` the row of the first of `n` rows at x [n, d], d a multiple of 32.
import { BLOCK, Q4_BYTES, Q8_BYTES } from "./layout";

/** The upper half of the float nearest to x, ties to even. */
// @ts-ignore: decorator
@inline
function half(x: f32): u32 {
  let u = reinterpret<u32>(x);
  return (u + 0x7fff + ((u >> 16) & 1)) >> 16;
}

/** Nearest integer, ties to even, within least and most. */
// @ts-ignore: decorator
@inline
function round(x: f32, least: i32, most: i32): i32 {
  return min(max(<i32>nearest(x), least), most);
}

/** Symmetric 8 bits: unit = max |w| / 127 as the upper half of a float, q = w / unit within -127 and 127. */
export function pack_q8(matrix: usize, first: u32, x: usize, n: u32, d: u32): void {
  let n_blocks = <usize>d >> 5;
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * n_blocks * Q8_BYTES, lane = <usize>(r & 3) << 2;
    for (let b: usize = 0; b < n_blocks; b++, at += Q8_BYTES, x += BLOCK << 2) {
      let largest: f32 = 0;
      for (let k: usize = 0; k < BLOCK; k++) largest = max(largest, abs(load<f32>(x + (k << 2))));
      let code = half(largest / 127), unit = reinterpret<f32>(code << 16);
      let inverse: f32 = unit > 0 ? <f32>1 / unit : 0;
      store<u16>(at + 128 + (lane >> 1), <u16>code);
      for (let k: usize = 0; k < BLOCK; k += 4) {
        let cell: i32 = 0;
        for (let j: usize = 0; j < 4; j++) {
          cell |= (round(load<f32>(x + ((k + j) << 2)) * inverse, -127, 127) & 255) << (<i32>j << 3);
        }
        store<i32>(at + (k << 2) + lane, cell);
      }
    }
  }
}

/**
 * Symmetric 4 bits: the largest weight in magnitude becomes -8, so unit = -it / 8 (of either sign) as the upper half of a float, and
 * q = w / unit within -8 and 7, stored as q + 8: column k of the first 16 in the lower half of a byte, k + 16 in the upper.
 */
export function pack_q4(matrix: usize, first: u32, x: usize, n: u32, d: u32): void {
  let n_blocks = <usize>d >> 5;
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * n_blocks * Q4_BYTES, lane = <usize>(r & 3) << 2;
    for (let b: usize = 0; b < n_blocks; b++, at += Q4_BYTES, x += BLOCK << 2) {
      let largest: f32 = 0;
      for (let k: usize = 0; k < BLOCK; k++) {
        let w = load<f32>(x + (k << 2));
        if (abs(w) > abs(largest)) largest = w;
      }
      let code = half(largest / -8), unit = reinterpret<f32>(code << 16);
      let inverse: f32 = unit != 0 ? <f32>1 / unit : 0;
      store<u16>(at + 64 + (lane >> 1), <u16>code);
      for (let k: usize = 0; k < 16; k += 4) {
        let cell: i32 = 0;
        for (let j: usize = 0; j < 4; j++) {
          let p = x + ((k + j) << 2);
          let low = round(load<f32>(p) * inverse, -8, 7) + 8, high = round(load<f32>(p, 64) * inverse, -8, 7) + 8;
          cell |= (low | (high << 4)) << (<i32>j << 3);
        }
        store<i32>(at + (k << 2) + lane, cell);
      }
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

/** The half-precision code of x, |x| below 65,520, ties to even. */
// @ts-ignore: decorator
@inline
function f16(x: f32): u32 {
  let u = reinterpret<u32>(x), sign = (u >> 16) & 0x8000, magnitude = abs(x);
  if (magnitude < 6.103515625e-5) return sign | <u32>nearest(magnitude * 16777216);
  u &= 0x7fffffff;
  return sign | (((u + 0xfff + ((u >> 13) & 1)) >> 13) - (112 << 10));
}

/**
 * Half precision: every row is multiplied by the power of two that takes its largest weight to 2^14 .. 2^15, which is exact where the
 * weights were f16, and leaves hardly any subnormal code: those are slow. Scales [rows] lie behind the codes and hold what takes
 * the sum of `product_f16` back.
 */
export function pack_f16(matrix: usize, first: u32, x: usize, n: u32, d: u32, rows: u32): void {
  let scales = matrix + ((<usize>rows * <usize>d) << 1);
  for (let r = first, end = first + n; r < end; r++, x += <usize>d << 2) {
    let largest: f32 = 0;
    for (let k: usize = 0; k < <usize>d; k++) largest = max(largest, abs(load<f32>(x + (k << 2))));
    let exponent = largest > 0 ? <i32>(reinterpret<u32>(largest) >> 23) - 127 : 0;
    let shift = min(max(14 - exponent, -78), 78);
    let power = reinterpret<f32>(<u32>(127 + shift) << 23);
    store<f32>(scales + (<usize>r << 2), reinterpret<f32>(<u32>(127 + 48 - shift) << 23));
    let at = matrix + <usize>(r >> 2) * (<usize>d << 3) + (<usize>(r & 3) << 2);
    for (let k: usize = 0; k < <usize>d; k += 2) {
      let p = x + (k << 2);
      store<u32>(at + (k << 3), f16(load<f32>(p) * power) | (f16(load<f32>(p, 4) * power) << 16));
    }
  }
}

export function pack_f32(matrix: usize, first: u32, x: usize, n: u32, d: u32): void {
  for (let r = first, end = first + n; r < end; r++, x += <usize>d << 2) {
    let at = matrix + <usize>(r >> 2) * (<usize>d << 4) + (<usize>(r & 3) << 2);
    for (let k: usize = 0; k < <usize>d; k++) store<f32>(at + (k << 4), load<f32>(x + (k << 2)));
  }
}
