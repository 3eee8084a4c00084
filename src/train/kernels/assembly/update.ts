// Backward pass and Adam, latent by latent: a latent's rows and gradients stay in cache while its tokens pass.
import { Shard } from "./shard";
import { axpy, axpy2, dot, fma, sum4 } from "./vector";

/** Entries of latent i that are above its threshold. */
function countActive(s: Shard, i: usize): i32 {
  let fired = 0, threshold = load<f32>(s.threshold + (i << 2)), end = load<i32>(s.col_start + (i << 2), 4);
  for (let e = load<i32>(s.col_start + (i << 2)); e < end; e++) {
    fired += <i32>(load<f32>(s.col_value + ((<usize>e) << 2)) > threshold);
  }
  return fired;
}

/** The gradients of an ordinary latent; tokens it fired on. */
function plainGradients(s: Shard, i: usize): i32 {
  let d: usize = s.d, d_out: usize = s.d_out, at = i << 2;
  let w = s.W_dec + ((i * d_out) << 2), g_enc = s.g_enc, g_dec = s.g_dec;
  let threshold = load<f32>(s.threshold + at);
  let half: f32 = s.learns_threshold ? s.bandwidth * 0.5 : 0;
  let scale: f32 = 2 / <f32>s.n, per_token: f32 = 1 / <f32>s.n, paid: f32 = s.activation_price * per_token;
  let price: f32 = s.sparsity_slope;
  if (s.frequency_weight > 0) {
    let frequency: f32 = <f32>countActive(s, i) * per_token;
    price += s.frequency_weight * (1 + (2 * frequency) / s.frequency_knee);
  }
  price *= per_token;
  let fired = 0, g_b: f32 = 0, g_t: f32 = 0, end = load<i32>(s.col_start + at, 4);
  for (let e = load<i32>(s.col_start + at); e < end; e += 2) {
    // An odd last entry is paired with itself at weight zero.
    let pair = e + 1 < end;
    let e0 = (<usize>e) << 2, e1 = pair ? e0 + 4 : e0;
    let n0 = <usize>load<i32>(s.token + e0), n1 = <usize>load<i32>(s.token + e1);
    let z0 = load<f32>(s.col_value + e0), z1 = load<f32>(s.col_value + e1);
    let on0 = z0 > threshold, on1 = pair && z1 > threshold;
    let c0 = f32x4.splat(on0 ? z0 * scale : 0), c1 = f32x4.splat(on1 ? z1 * scale : 0);
    let r0 = s.residual + ((n0 * d_out) << 2), r1 = s.residual + ((n1 * d_out) << 2);
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0), b0 = f32x4.splat(0), b1 = f32x4.splat(0);
    for (let k: usize = 0, stop = d_out << 2; k < stop; k += 32) {
      let y0 = v128.load(r0 + k), y1 = v128.load(r1 + k), w0 = v128.load(w + k);
      a0 = fma(y0, w0, a0);
      a1 = fma(y1, w0, a1);
      v128.store(g_dec + k, fma(c1, y1, fma(c0, y0, v128.load(g_dec + k))));
      let y2 = v128.load(r0 + k, 16), y3 = v128.load(r1 + k, 16), w1 = v128.load(w + k, 16);
      b0 = fma(y2, w1, b0);
      b1 = fma(y3, w1, b1);
      v128.store(g_dec + k, fma(c1, y3, fma(c0, y2, v128.load(g_dec + k, 16))), 16);
    }
    let g0 = scale * sum4(f32x4.add(a0, b0)), g1 = scale * sum4(f32x4.add(a1, b1));
    if (abs(z0 - threshold) < half) g_t -= (threshold * g0 + price) / s.bandwidth;
    if (pair && abs(z1 - threshold) < half) g_t -= (threshold * g1 + price) / s.bandwidth;
    fired += <i32>on0 + <i32>on1;
    let dz0: f32 = on0 ? g0 + paid : 0, dz1: f32 = on1 ? g1 + paid : 0;
    if (!on0 && !on1) continue;
    g_b += dz0 + dz1;
    axpy2(g_enc, dz0, s.x + ((n0 * d) << 2), dz1, s.x + ((n1 * d) << 2), d);
  }
  if (fired) s.touched = 3;
  if (fired == 0 && s.pre_act_weight > 0 && load<i32>(s.silent + at) >= s.dead_steps) {
    g_b -= s.pre_act_weight;
    axpy(g_enc, -s.pre_act_weight, s.mean_x, d);
    s.touched = 1;
  }
  s.g_b_enc = g_b;
  s.g_u = g_b;
  s.g_threshold = g_t;
  return fired;
}

/** Adds what AuxK teaches a dead latent. */
function auxGradients(s: Shard, i: usize): void {
  let d: usize = s.d, d_out: usize = s.d_out, at = i << 2, w = s.W_dec + ((i * d_out) << 2);
  let scale: f32 = (2 * s.aux_weight) / <f32>s.n, end = load<i32>(s.aux_col_start + at, 4);
  for (let e = load<i32>(s.aux_col_start + at); e < end; e++) {
    let p = (<usize>e) << 2, n = <usize>load<i32>(s.aux_token + p);
    let residual = s.residual_aux + ((n * d_out) << 2);
    let g: f32 = scale * dot(residual, w, d_out);
    axpy(s.g_dec, scale * load<f32>(s.aux_col_value + p), residual, d_out);
    axpy(s.g_enc, g, s.x + ((n * d) << 2), d);
    s.g_b_enc += g;
    s.g_u += g;
    s.touched = 3;
  }
}

/** The gradients of a gated latent; tokens it fired on. */
function gatedGradients(s: Shard, i: usize): i32 {
  let d: usize = s.d, d_out: usize = s.d_out, at = i << 2, w = s.W_dec + ((i * d_out) << 2);
  let scale: f32 = 2 / <f32>s.n, paid: f32 = s.activation_price / <f32>s.n;
  let e_mag = load<f32>(s.e_mag + at), b_enc = load<f32>(s.b_enc + at);
  let fired = 0, g_gate: f32 = 0, g_r: f32 = 0, g_b: f32 = 0, end = load<i32>(s.col_start + at, 4);
  for (let e = load<i32>(s.col_start + at); e < end; e++) {
    let p = (<usize>e) << 2, n = <usize>load<i32>(s.token + p);
    let act = load<f32>(s.col_value + p), gate = load<f32>(s.col_gate + p);
    let row = (n * d_out) << 2;
    let du: f32 = scale * dot(s.residual_aux + row, w, d_out) + paid;
    g_gate += du;
    if (act > 0) {
      let g: f32 = scale * dot(s.residual + row, w, d_out);
      axpy(s.g_dec, scale * act, s.residual + row, d_out);
      g_r += g * (gate - b_enc) * e_mag;
      g_b += g;
      du += g * e_mag;
      fired++;
      s.touched = 3;
    }
    s.g_u += du;
    s.touched |= 1;
    axpy(s.g_enc, du, s.x + ((n * d) << 2), d);
  }
  s.g_b_enc = g_gate;
  s.g_r_mag = g_r;
  s.g_b_mag = g_b;
  return fired;
}

/** Gradients of latent i into g_enc, g_dec, g_u, g_b_enc, g_threshold, g_r_mag, g_b_mag. Returns how many tokens it fired on. */
export function gradients(s: Shard, i: u32): i32 {
  memory.fill(s.g_enc, 0, (<usize>s.d) << 2);
  memory.fill(s.g_dec, 0, (<usize>s.d_out) << 2);
  s.touched = 0;
  s.g_u = 0;
  s.g_threshold = 0;
  if (s.is_gated) return gatedGradients(s, <usize>i);
  let fired = plainGradients(s, <usize>i);
  if (s.has_aux) auxGradients(s, <usize>i);
  return fired;
}

/** Adam without first moment on m floats: v = beta2 v + (1 - beta2) g^2; w -= lr g / (sqrt(v) v_scale + eps). */
// @ts-ignore: decorator
@inline
function adam(s: Shard, w: usize, v: usize, g: usize, m: usize): void {
  let b2 = f32x4.splat(s.beta2), c2 = f32x4.splat(1 - s.beta2), lr = f32x4.splat(s.lr);
  let v_scale = f32x4.splat(s.v_scale), eps = f32x4.splat(s.adam_eps);
  for (let k: usize = 0, end = m << 2; k < end; k += 16) {
    let gk = v128.load(g + k);
    let vk = fma(b2, v128.load(v + k), f32x4.mul(c2, f32x4.mul(gk, gk)));
    v128.store(v + k, vk);
    let step = f32x4.div(f32x4.mul(lr, gk), fma(f32x4.sqrt(vk), v_scale, eps));
    v128.store(w + k, f32x4.sub(v128.load(w + k), step));
  }
}

/** One step on m floats, m a multiple of 4, with the shard's learning rate. */
export function adamArray(s: Shard, w: usize, v: usize, g: usize, m: u32): void {
  adam(s, w, v, g, <usize>m);
}

/** The same on one float. */
// @ts-ignore: decorator
@inline
function adam1(s: Shard, w: usize, v: usize, g: f32, lr: f32): void {
  let vk: f32 = s.beta2 * load<f32>(v) + (1 - s.beta2) * g * g;
  store<f32>(v, vk);
  store<f32>(w, load<f32>(w) - (lr * g) / (sqrt<f32>(vk) * s.v_scale + s.adam_eps));
}

/** row *= c over d floats. */
// @ts-ignore: decorator
@inline
function scaleRow(row: usize, c: f32, d: usize): void {
  let v = f32x4.splat(c);
  for (let k: usize = 0, end = d << 2; k < end; k += 16) v128.store(row + k, f32x4.mul(v, v128.load(row + k)));
}

/**
 * One optimiser step of every latent: gradients, projection of g_dec off the decoder row, Adam, unit norm.
 * Leaves the encoder's part of the gradient of b_dec in g_b_dec and the count of dead latents in n_dead.
 */
export function update(s: Shard): void {
  let d: usize = s.d, d_out: usize = s.d_out, n_dead = 0;
  if (s.input_bias) memory.fill(s.g_b_dec, 0, d << 2);
  for (let i: usize = 0; i < <usize>s.width; i++) {
    let at = i << 2, row = (i * d) << 2, row_out = (i * d_out) << 2;
    let silent = gradients(s, <u32>i) ? 0 : load<i32>(s.silent + at) + 1;
    store<i32>(s.silent + at, silent);
    n_dead += <i32>(silent >= s.dead_steps);
    let w_enc = s.W_enc + row, w_dec = s.W_dec + row_out;
    if (s.touched & 1) {
      if (s.input_bias) axpy(s.g_b_dec, -s.g_u, w_enc, d);
      adam(s, w_enc, s.v_enc + row, s.g_enc, d);
    } else scaleRow(s.v_enc + row, s.beta2, d);
    if (s.touched & 2) {
      axpy(s.g_dec, -dot(s.g_dec, w_dec, d_out), w_dec, d_out);
      adam(s, w_dec, s.v_dec + row_out, s.g_dec, d_out);
      scaleRow(w_dec, 1 / sqrt<f32>(dot(w_dec, w_dec, d_out)), d_out);
    } else scaleRow(s.v_dec + row_out, s.beta2, d_out);
    adam1(s, s.b_enc + at, s.v_b_enc + at, s.g_b_enc, s.lr);
    if (s.is_gated) {
      adam1(s, s.r_mag + at, s.v_r_mag + at, s.g_r_mag, s.lr);
      adam1(s, s.b_mag + at, s.v_b_mag + at, s.g_b_mag, s.lr);
    }
    if (s.learns_threshold) {
      adam1(s, s.threshold + at, s.v_threshold + at, s.g_threshold, s.lr_threshold);
      let threshold = max<f32>(load<f32>(s.threshold + at), 1e-6);
      store<f32>(s.threshold + at, threshold);
      store<f32>(s.low + at, threshold - s.bandwidth * 0.5);
    }
  }
  s.n_dead = n_dead;
}
