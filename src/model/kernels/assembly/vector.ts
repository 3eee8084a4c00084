// Four floats or sixteen bytes at a time.

/** a * b + c; fused where the build enables relaxed SIMD and the machine can. */
// @ts-ignore: decorator
@inline
export function fma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sum4(a: v128): f32 {
  return (
    f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1) + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3))
  );
}

/** Largest of the four lanes. */
// @ts-ignore: decorator
@inline
export function max4(a: v128): f32 {
  return max(
    max(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1)),
    max(f32x4.extract_lane(a, 2), f32x4.extract_lane(a, 3)),
  );
}

/**
 * c[i] + the sum over j of a[4 i + j] b[4 i + j], exact in both builds: b is in 0 .. 127, for which the relaxed instruction is
 * defined, and two products (at most 2 * 128 * 127) fit 16 bits.
 */
// @ts-ignore: decorator
@inline
export function dot4(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, c);
  let low = i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_low_i8x16_s(a, b));
  let high = i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_high_i8x16_s(a, b));
  let even = v128.shuffle<i32>(low, high, 0, 2, 4, 6), odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return i32x4.add(c, i32x4.add(even, odd));
}

/** Four 16-bit halves of floats at `at` as f32. */
// @ts-ignore: decorator
@inline
export function loadHalves(at: usize): v128 {
  return i32x4.shl(i32x4.extend_low_i16x8_u(v128.load64_zero(at)), 16);
}

/**
 * exp(x), within 2 units in the last place: `2^n exp(r)`, `|r| <= ln 2 / 2`, by its series up to r^7. x is held within -87 and 88,
 * so that no result is subnormal or infinite.
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  x = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-87)), f32x4.splat(88));
  let n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.4426950408889634)));
  // ln 2 as 355/512, of which n times is exact, and the rest.
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440054690583e-4)));
  let p = f32x4.splat(1 / 5040.0);
  p = fma(p, r, f32x4.splat(1 / 720.0));
  p = fma(p, r, f32x4.splat(1 / 120.0));
  p = fma(p, r, f32x4.splat(1 / 24.0));
  p = fma(p, r, f32x4.splat(1 / 6.0));
  p = fma(p, r, f32x4.splat(0.5));
  p = fma(p, r, f32x4.splat(1));
  p = fma(p, r, f32x4.splat(1));
  let power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(p, power);
}

/** tanh(x) = 1 - 2 / (exp(2 x) + 1), within 2e-7. */
// @ts-ignore: decorator
@inline
export function tanh4(x: v128): v128 {
  let one = f32x4.splat(1);
  return f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(exp4(f32x4.add(x, x)), one)));
}
