/** Readable twins of assembly/update.ts: the gradients of one latent, and the optimiser's step. */
import type { PlainShard } from './shard.ts'

const row = (array: Float32Array, i: number, d: number) => array.subarray(i * d, (i + 1) * d)

/** y += c x */
function axpy(y: Float32Array, c: number, x: Float32Array): void {
  for (let k = 0; k < y.length; k++) y[k]! += c * x[k]!
}

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, k) => sum + value * b[k]!, 0)

/**
 * Gradients for latent i of the loss `mean_n ||y - recon||^2 + sparsity`, from compressed columns:
 *
 *     g_n         = 2 residual_n . W_dec[i] / n_tokens                   (d loss / d act)
 *     g_dec       = sum_n act_n 2 residual_n / n_tokens
 *     dz_n        = [active] (g_n + activation_price / n_tokens)          (d loss / d pre_act)
 *     g_enc       = sum_n dz_n x_n
 *     g_b_enc     = sum_n dz_n
 *     g_threshold = - sum_{|pre_n - threshold| < bandwidth / 2} (threshold g_n + price / n_tokens) / bandwidth
 *
 * the last, where thresholds learn, a pseudo-derivative (rectangle kernel, arXiv:2407.14435 eq. 11 and 12) with
 * `price = sparsity_slope + frequency_weight (1 + 2 omega / frequency_knee)`, omega the share of tokens it is active on; no
 * gradient flows through the step into pre_acts. A dead latent that stays silent gets the gradient of
 * `pre_act_weight mean_n (threshold - pre_n)`.
 * @returns how many tokens the latent fired on.
 */
function plainGradients(s: PlainShard, i: number): number {
  const w = row(s.W_dec, i, s.d_out)
  const threshold = s.threshold[i]!
  const [from, end] = [s.col_start[i]!, s.col_start[i + 1]!]
  const fired = s.col_value.subarray(from, end).filter((z) => z > threshold).length
  const price =
    s.sparsity_slope +
    s.frequency_weight * (s.frequency_weight > 0 ? 1 + (2 * fired) / s.n / s.frequency_knee : 0)
  for (let e = from; e < end; e++) {
    const residual = row(s.residual, s.token[e]!, s.d_out)
    const z = s.col_value[e]!
    const g = (2 / s.n) * dot(residual, w)
    if (s.learns_threshold && Math.abs(z - threshold) < s.bandwidth / 2)
      s.g_threshold -= (threshold * g + price / s.n) / s.bandwidth
    if (z <= threshold) continue
    const dz = g + s.activation_price / s.n
    s.g_b_enc += dz
    axpy(s.g_dec, (2 / s.n) * z, residual)
    axpy(s.g_enc, dz, row(s.x, s.token[e]!, s.d))
  }
  if (fired > 0) s.touched = 3
  if (fired === 0 && s.pre_act_weight > 0 && s.silent[i]! >= s.dead_steps) {
    s.g_b_enc -= s.pre_act_weight
    axpy(s.g_enc, -s.pre_act_weight, s.mean_x)
    s.touched = 1
  }
  s.g_u = s.g_b_enc
  return fired
}

/** Adds the gradient of `aux_weight mean_n ||residual_aux_n||^2` for a dead latent with auxiliary activations. */
function auxGradients(s: PlainShard, i: number): void {
  const scale = (2 * s.aux_weight) / s.n
  for (let e = s.aux_col_start[i]!; e < s.aux_col_start[i + 1]!; e++) {
    const residual = row(s.residual_aux, s.aux_token[e]!, s.d_out)
    const g = scale * dot(residual, row(s.W_dec, i, s.d_out))
    axpy(s.g_dec, scale * s.aux_col_value[e]!, residual)
    axpy(s.g_enc, g, row(s.x, s.aux_token[e]!, s.d))
    s.g_b_enc += g
    s.g_u += g
    s.touched = 3
  }
}

/**
 * Gradients for latent i of a gated SAE. With `gate = u + b_enc`, `mag = u e^r + b_mag`, `act = [gate > 0] relu(mag)`:
 *
 *     a_n     = 2 residual_aux_n . W_dec[i] / n_tokens + activation_price / n_tokens      (d loss / d relu(gate))
 *     g_n     = 2 residual_n . W_dec[i] / n_tokens                                        (d loss / d act)
 *     g_u     = sum_n a_n + [act_n > 0] g_n e^r,   g_enc the same sum with x_n
 *     g_b_enc = sum_n a_n,   g_b_mag = sum_n [act_n > 0] g_n,   g_r_mag = sum_n [act_n > 0] g_n u_n e^r
 */
function gatedGradients(s: PlainShard, i: number): number {
  const w = row(s.W_dec, i, s.d_out)
  let fired = 0
  for (let e = s.col_start[i]!; e < s.col_start[i + 1]!; e++) {
    const n = s.token[e]!
    let du = (2 / s.n) * dot(row(s.residual_aux, n, s.d_out), w) + s.activation_price / s.n
    s.g_b_enc += du
    s.touched |= 1
    const act = s.col_value[e]!
    if (act > 0) {
      const residual = row(s.residual, n, s.d_out)
      const g = (2 / s.n) * dot(residual, w)
      axpy(s.g_dec, (2 / s.n) * act, residual)
      s.g_r_mag += g * (s.col_gate[e]! - s.b_enc[i]!) * s.e_mag[i]!
      s.g_b_mag += g
      du += g * s.e_mag[i]!
      fired++
      s.touched = 3
    }
    s.g_u += du
    axpy(s.g_enc, du, row(s.x, n, s.d))
  }
  return fired
}

/** Gradients of latent i into g_enc, g_dec, g_u, g_b_enc, g_threshold, g_r_mag, g_b_mag. Returns how many tokens it fired on. */
export function gradients(s: PlainShard, i: number): number {
  s.g_enc.fill(0)
  s.g_dec.fill(0)
  s.touched = 0
  for (const name of ['g_u', 'g_b_enc', 'g_threshold', 'g_r_mag', 'g_b_mag'] as const) s[name] = 0
  if (s.is_gated) return gatedGradients(s, i)
  const fired = plainGradients(s, i)
  if (s.has_aux) auxGradients(s, i)
  return fired
}

/** Adam without first moment: `v = beta2 v + (1 - beta2) g^2`, `w -= lr g / (sqrt(v / (1 - beta2^t)) + eps)`. */
function adam(
  s: PlainShard,
  w: Float32Array,
  v: Float32Array,
  g: ArrayLike<number>,
  lr: number,
): void {
  for (let k = 0; k < w.length; k++) {
    v[k] = s.beta2 * v[k]! + (1 - s.beta2) * g[k]! * g[k]!
    w[k]! -= (lr * g[k]!) / (Math.sqrt(v[k]!) * s.v_scale + s.adam_eps)
  }
}

/** One step on an array, with the shard's learning rate. */
export function adamArray(s: PlainShard, w: Float32Array, v: Float32Array, g: Float32Array): void {
  adam(s, w, v, g, s.lr)
}

/**
 * One optimiser step of every latent. The decoder's gradient loses its part along the row before Adam, and the row goes
 * back to unit norm after; thresholds stay positive. A row without gradient keeps its weights, as Adam without first
 * moment does. Leaves `- sum_i g_u[i] W_enc[i]`, the encoder's part of the gradient of b_dec, in g_b_dec.
 */
export function update(s: PlainShard): void {
  if (s.input_bias) s.g_b_dec.fill(0)
  s.n_dead = 0
  for (let i = 0; i < s.width; i++) {
    const one = (array: Float32Array) => array.subarray(i, i + 1)
    const w_enc = row(s.W_enc, i, s.d)
    const w_dec = row(s.W_dec, i, s.d_out)
    s.silent[i] = gradients(s, i) > 0 ? 0 : s.silent[i]! + 1
    if (s.silent[i]! >= s.dead_steps) s.n_dead++
    if (s.input_bias) axpy(s.g_b_dec, -s.g_u, w_enc)
    adam(s, w_enc, row(s.v_enc, i, s.d), s.g_enc, s.lr)
    axpy(s.g_dec, -dot(s.g_dec, w_dec), w_dec)
    adam(s, w_dec, row(s.v_dec, i, s.d_out), s.g_dec, s.lr)
    const norm = Math.hypot(...w_dec)
    for (let k = 0; k < s.d_out; k++) w_dec[k]! /= norm
    adam(s, one(s.b_enc), one(s.v_b_enc), [s.g_b_enc], s.lr)
    if (s.is_gated) {
      adam(s, one(s.r_mag), one(s.v_r_mag), [s.g_r_mag], s.lr)
      adam(s, one(s.b_mag), one(s.v_b_mag), [s.g_b_mag], s.lr)
    }
    if (!s.learns_threshold) continue
    adam(s, one(s.threshold), one(s.v_threshold), [s.g_threshold], s.lr_threshold)
    s.threshold[i] = Math.max(s.threshold[i]!, 1e-6)
    s.low[i] = s.threshold[i]! - s.bandwidth / 2
  }
}
