// Rows of packed matrices as floats: `n` rows from `first` to out [n, d].
import { BLOCK, F16_INPUT, Q4_BYTES, Q8_BYTES } from "./layout";

/** The unit at `at`, the upper half of a float. */
// @ts-ignore: decorator
@inline
function unitAt(at: usize): v128 {
  return f32x4.splat(reinterpret<f32>(<u32>load<u16>(at) << 16));
}

export function widen_q8(matrix: usize, first: u32, out: usize, n: u32, d: u32): void {
  let n_blocks = <usize>d >> 5;
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * n_blocks * Q8_BYTES, lane = <usize>(r & 3) << 2;
    for (let b: usize = 0; b < n_blocks; b++, at += Q8_BYTES, out += BLOCK << 2) {
      let unit = unitAt(at + 128 + (lane >> 1));
      for (let k: usize = 0; k < 128; k += 16) {
        let q = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(at + k + lane)));
        v128.store(out + k, f32x4.mul(unit, f32x4.convert_i32x4_s(q)));
      }
    }
  }
}

export function widen_q4(matrix: usize, first: u32, out: usize, n: u32, d: u32): void {
  let n_blocks = <usize>d >> 5, mask = i8x16.splat(15), eight = i32x4.splat(8);
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * n_blocks * Q4_BYTES, lane = <usize>(r & 3) << 2;
    for (let b: usize = 0; b < n_blocks; b++, at += Q4_BYTES, out += BLOCK << 2) {
      let unit = unitAt(at + 64 + (lane >> 1));
      for (let k: usize = 0; k < 64; k += 16) {
        let cell = v128.load32_zero(at + k + lane);
        let low = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.and(cell, mask)));
        let high = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.and(i16x8.shr_u(cell, 4), mask)));
        v128.store(out + k, f32x4.mul(unit, f32x4.convert_i32x4_s(i32x4.sub(low, eight))));
        v128.store(out + k, f32x4.mul(unit, f32x4.convert_i32x4_s(i32x4.sub(high, eight))), 64);
      }
    }
  }
}

export function widen_bf16(matrix: usize, first: u32, out: usize, n: u32, d: u32): void {
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * (<usize>d << 3) + (<usize>(r & 3) << 2);
    for (let k: usize = 0; k < <usize>d; k += 2, at += 16, out += 8) {
      let cell = load<u32>(at);
      store<u32>(out, cell << 16);
      store<u32>(out, cell & 0xffff0000, 4);
    }
  }
}

/** `rows`: the matrix's, padded, behind which its scales lie. */
export function widen_f16(matrix: usize, first: u32, out: usize, n: u32, d: u32, rows: u32): void {
  let scales = matrix + ((<usize>rows * <usize>d) << 1);
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * (<usize>d << 3) + (<usize>(r & 3) << 2);
    let scale = load<f32>(scales + (<usize>r << 2));
    for (let k: usize = 0; k < <usize>d; k += 2, at += 16, out += 8) {
      let cell = load<i32>(at);
      store<f32>(out, reinterpret<f32>(((cell << 16) >> 3) & 0x8fffe000) * F16_INPUT * scale);
      store<f32>(out, reinterpret<f32>((cell >> 3) & 0x8fffe000) * F16_INPUT * scale, 4);
    }
  }
}

export function widen_f32(matrix: usize, first: u32, out: usize, n: u32, d: u32): void {
  for (let r = first, end = first + n; r < end; r++) {
    let at = matrix + <usize>(r >> 2) * (<usize>d << 4) + (<usize>(r & 3) << 2);
    for (let k: usize = 0; k < <usize>d; k++, at += 16, out += 4) store<f32>(out, load<f32>(at));
  }
}
