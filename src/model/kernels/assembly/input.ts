// The rows of x as the products read them.
import { BLOCK, F16_INPUT, INPUT_BYTES, INPUT_FLIPS, INPUT_OFFSET, INPUT_SIGN, INPUT_SIGNED, INPUT_UNIT } from "./layout";
import { max4 } from "./vector";

/** x [n_blocks, 32] in f32 to blocks of 8-bit integers, unit = max |x| / 127; 0 where all are. */
export function quantiseInput(x: usize, out: usize, n_blocks: u32): void {
  for (let b: u32 = 0; b < n_blocks; b++, x += BLOCK << 2, out += INPUT_BYTES) {
    let largest = f32x4.splat(0);
    for (let k: usize = 0; k < 128; k += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x + k)));
    let unit = max4(largest) / 127;
    let units = f32x4.splat(unit);
    let sum = i16x8.splat(0), flips = i16x8.splat(0);
    for (let k: usize = 0; k < BLOCK; k += 16) {
      let p = x + (k << 2);
      let q0 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(p), units)));
      let q1 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(p, 16), units)));
      let q2 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(p, 32), units)));
      let q3 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(p, 48), units)));
      let q = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(q0, q1), i16x8.narrow_i32x4_s(q2, q3));
      q = i8x16.max_s(q, i8x16.splat(-127));
      let sign = i8x16.shr_s(q, 7), magnitude = i8x16.abs(q);
      v128.store(out + k, magnitude);
      v128.store(out + k + INPUT_SIGN, sign);
      v128.store(out + k + INPUT_SIGNED, q);
      sum = i16x8.add(sum, i16x8.extadd_pairwise_i8x16_s(q));
      flips = i16x8.add(flips, i16x8.extadd_pairwise_i8x16_u(v128.and(sign, magnitude)));
    }
    store<f32>(out + INPUT_UNIT, unit);
    store<i32>(out + INPUT_FLIPS, lanes(flips));
    store<i32>(out + INPUT_OFFSET, -8 * lanes(sum));
  }
}

/** Sum of eight 16-bit lanes. */
// @ts-ignore: decorator
@inline
function lanes(a: v128): i32 {
  let s = i32x4.extadd_pairwise_i16x8_s(a);
  return (
    i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)
  );
}

/** out = 2^64 x over n floats, n a multiple of 4: inputs for f16 weights. */
export function scaleInput(x: usize, out: usize, n: u32): void {
  let c = f32x4.splat(F16_INPUT);
  for (let k: usize = 0, end = (<usize>n) << 2; k < end; k += 16) v128.store(out + k, f32x4.mul(c, v128.load(x + k)));
}
