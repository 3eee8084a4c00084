// Dense passes over [n, d] arrays.
import { fma, sum4 } from "./vector";

/** x = c * x - b for every row. */
export function centre(x: usize, c: f32, b: usize, n: u32, d: u32): void {
  let v = f32x4.splat(c), bytes = (<usize>d) << 2;
  for (let i: usize = 0; i < <usize>n; i++, x += bytes) {
    for (let k: usize = 0; k < bytes; k += 16) {
      v128.store(x + k, f32x4.sub(f32x4.mul(v, v128.load(x + k)), v128.load(b + k)));
    }
  }
}

/** y += c * x over m floats, m a multiple of 4. */
export function accumulate(y: usize, c: f32, x: usize, m: u32): void {
  let v = f32x4.splat(c);
  for (let k: usize = 0, end = (<usize>m) << 2; k < end; k += 16) {
    v128.store(y + k, fma(v, v128.load(x + k), v128.load(y + k)));
  }
}

/** Column means of x [n, d] into mean [d]; returns the mean of the squared row norms. */
export function moments(x: usize, mean: usize, n: u32, d: u32): f64 {
  let bytes = (<usize>d) << 2, squares: f64 = 0, inv = f32x4.splat(1 / <f32>n);
  memory.fill(mean, 0, bytes);
  for (let i: usize = 0; i < <usize>n; i++, x += bytes) {
    let s = f32x4.splat(0);
    for (let k: usize = 0; k < bytes; k += 16) {
      let v = v128.load(x + k);
      s = fma(v, v, s);
      v128.store(mean + k, f32x4.add(v128.load(mean + k), v));
    }
    squares += sum4(s);
  }
  for (let k: usize = 0; k < bytes; k += 16) v128.store(mean + k, f32x4.mul(inv, v128.load(mean + k)));
  return squares / <f64>n;
}
