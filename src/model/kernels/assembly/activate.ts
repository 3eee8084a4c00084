// The activations of MLPs, and the cap on logits.
import { exp4, fma, tanh4 } from "./vector";

/**
 * x = act(x) up over n floats, n a multiple of 4; without `up` where its address is 0.
 * @param act 0 gelu_tanh, 1 gelu, 2 silu, 3 relu.
 */
export function activate(act: u32, x: usize, up: usize, n: u32): void {
  for (let k: usize = 0, end = <usize>n << 2; k < end; k += 16) {
    let v = v128.load(x + k), y: v128;
    switch (act) {
      case 0: y = geluTanh(v); break;
      case 1: y = gelu(v); break;
      case 2: y = sigmoidTimes(v, v); break;
      default: y = f32x4.pmax(f32x4.splat(0), v);
    }
    if (up) y = f32x4.mul(y, v128.load(up + k));
    v128.store(x + k, y);
  }
}

/** x / (1 + exp(-u)). */
// @ts-ignore: decorator
@inline
function sigmoidTimes(x: v128, u: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exp4(f32x4.neg(u))));
}

/** x / 2 (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3). */
// @ts-ignore: decorator
@inline
function geluTanh(x: v128): v128 {
  let cubic = fma(f32x4.mul(f32x4.splat(0.044715), f32x4.mul(x, x)), x, x);
  return sigmoidTimes(x, f32x4.mul(f32x4.splat(1.5957691216057308), cubic));
}

/** x / 2 (1 + erf(x / sqrt 2)); erf within 1.5e-7 by Abramowitz and Stegun, 7.1.26. */
// @ts-ignore: decorator
@inline
function gelu(x: v128): v128 {
  let z = f32x4.mul(f32x4.abs(x), f32x4.splat(0.7071067811865476)), one = f32x4.splat(1);
  let t = f32x4.div(one, fma(f32x4.splat(0.3275911), z, one));
  let p = f32x4.splat(1.061405429);
  p = fma(p, t, f32x4.splat(-1.453152027));
  p = fma(p, t, f32x4.splat(1.421413741));
  p = fma(p, t, f32x4.splat(-0.284496736));
  p = fma(p, t, f32x4.splat(0.254829592));
  // Half of what erf lacks to 1.
  let rest = f32x4.mul(f32x4.mul(f32x4.mul(p, t), f32x4.splat(0.5)), exp4(f32x4.neg(f32x4.mul(z, z))));
  let share = v128.bitselect(rest, f32x4.sub(one, rest), f32x4.lt(x, f32x4.splat(0)));
  return f32x4.mul(x, share);
}

/** x = c tanh(x / c) over n floats, n a multiple of 4. */
export function softcap(x: usize, n: u32, c: f32): void {
  let cap = f32x4.splat(c), uncap = f32x4.splat(1 / c);
  for (let k: usize = 0, end = <usize>n << 2; k < end; k += 16) {
    v128.store(x + k, f32x4.mul(cap, tanh4(f32x4.mul(uncap, v128.load(x + k)))));
  }
}
