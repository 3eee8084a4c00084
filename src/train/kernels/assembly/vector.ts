// Four floats at a time. Rows are padded with zeros to a multiple of 16 floats, so no loop over a row has a remainder.

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

/** Scalar product of two rows of d floats. */
// @ts-ignore: decorator
@inline
export function dot(a: usize, b: usize, d: usize): f32 {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
  for (let k: usize = 0, end = d << 2; k < end; k += 64) {
    s0 = fma(v128.load(a + k), v128.load(b + k), s0);
    s1 = fma(v128.load(a + k, 16), v128.load(b + k, 16), s1);
    s2 = fma(v128.load(a + k, 32), v128.load(b + k, 32), s2);
    s3 = fma(v128.load(a + k, 48), v128.load(b + k, 48), s3);
  }
  return sum4(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

/** y += c * x over a row of d floats. */
// @ts-ignore: decorator
@inline
export function axpy(y: usize, c: f32, x: usize, d: usize): void {
  let v = f32x4.splat(c);
  for (let k: usize = 0, end = d << 2; k < end; k += 32) {
    v128.store(y + k, fma(v, v128.load(x + k), v128.load(y + k)));
    v128.store(y + k, fma(v, v128.load(x + k, 16), v128.load(y + k, 16)), 16);
  }
}

/** y += c0 * x0 + c1 * x1: two rows in one pass halve the traffic on y. */
// @ts-ignore: decorator
@inline
export function axpy2(y: usize, c0: f32, x0: usize, c1: f32, x1: usize, d: usize): void {
  let v0 = f32x4.splat(c0), v1 = f32x4.splat(c1);
  for (let k: usize = 0, end = d << 2; k < end; k += 32) {
    v128.store(y + k, fma(v1, v128.load(x1 + k), fma(v0, v128.load(x0 + k), v128.load(y + k))));
    v128.store(y + k, fma(v1, v128.load(x1 + k, 16), fma(v0, v128.load(x0 + k, 16), v128.load(y + k, 16))), 16);
  }
}
