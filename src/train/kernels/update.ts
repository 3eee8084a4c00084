/** Readable twins of assembly/update.ts: the gradients of one latent, and the optimiser's step. */
import type { PlainShard } from './shard.ts'

const row = (s: PlainShard, array: Float32Array, i: number) =>
  array.subarray(i * s.d, (i + 1) * s.d)

/**
 * Gradients of the loss `mean_n ||x - recon||^2 + sparsity(l0)` for latent i, from compressed columns:
 *
 *     g_n         = 2 residual_n . W_dec[i] / n_tokens                   (d loss / d act)
 *     g_dec       = sum_n act_n 2 residual_n / n_tokens
 *     g_enc       = sum_{n active} g_n x_n
 *     g_b_enc     = sum_{n active} g_n
 *     g_threshold = - sum_{|pre_n - threshold| < bandwidth / 2} (threshold g_n + sparsity'(l0) / n_tokens) / bandwidth
 *
 * the last a pseudo-derivative (rectangle kernel, arXiv:2407.14435 eq. 11 and 12); no gradient flows through the step into
 * pre_acts. A dead latent that stays silent gets the gradient of `pre_act_weight mean_n (threshold - pre_n)`.
 * @returns how many tokens the latent fired on.
 */
export function gradients(s: PlainShard, i: number): number {
  const w = row(s, s.W_dec, i)
  const threshold = s.threshold[i]!
  let fired = 0
  s.g_enc.fill(0)
  s.g_dec.fill(0)
  s.g_b_enc = 0
  s.g_threshold = 0
  for (let e = s.col_start[i]!; e < s.col_start[i + 1]!; e++) {
    const residual = row(s, s.residual, s.token[e]!)
    const x = row(s, s.x, s.token[e]!)
    const z = s.col_value[e]!
    let g = 0
    for (let k = 0; k < s.d; k++) g += (2 / s.n) * residual[k]! * w[k]!
    if (Math.abs(z - threshold) < s.bandwidth / 2)
      s.g_threshold -= (threshold * g + s.sparsity_slope / s.n) / s.bandwidth
    if (z <= threshold) continue
    fired++
    s.g_b_enc += g
    for (let k = 0; k < s.d; k++) {
      s.g_dec[k]! += (2 / s.n) * z * residual[k]!
      s.g_enc[k]! += g * x[k]!
    }
  }
  if (fired === 0 && s.pre_act_weight > 0 && s.silent[i]! >= s.dead_steps) {
    s.g_b_enc -= s.pre_act_weight
    for (let k = 0; k < s.d; k++) s.g_enc[k]! -= s.pre_act_weight * s.mean_x[k]!
  }
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

/**
 * One optimiser step of every latent. The decoder's gradient loses its part along the row before Adam, and the row goes
 * back to unit norm after; thresholds stay positive. A row without gradient keeps its weights, as Adam without first
 * moment does. Leaves `- sum_i g_b_enc[i] W_enc[i]`, the encoder's part of the gradient of b_dec, in g_b_dec.
 */
export function update(s: PlainShard): void {
  s.g_b_dec.fill(0)
  s.n_dead = 0
  for (let i = 0; i < s.width; i++) {
    const w_enc = row(s, s.W_enc, i)
    const w_dec = row(s, s.W_dec, i)
    s.silent[i] = gradients(s, i) > 0 ? 0 : s.silent[i]! + 1
    if (s.silent[i]! >= s.dead_steps) s.n_dead++
    for (let k = 0; k < s.d; k++) s.g_b_dec[k]! -= s.g_b_enc * w_enc[k]!
    adam(s, w_enc, row(s, s.v_enc, i), s.g_enc, s.lr)
    const along = s.g_dec.reduce((sum, g, k) => sum + g * w_dec[k]!, 0)
    for (let k = 0; k < s.d; k++) s.g_dec[k]! -= along * w_dec[k]!
    adam(s, w_dec, row(s, s.v_dec, i), s.g_dec, s.lr)
    const norm = Math.hypot(...w_dec)
    for (let k = 0; k < s.d; k++) w_dec[k]! /= norm
    adam(s, s.b_enc.subarray(i, i + 1), s.v_b_enc.subarray(i, i + 1), [s.g_b_enc], s.lr)
    const v_threshold = s.v_threshold.subarray(i, i + 1)
    adam(s, s.threshold.subarray(i, i + 1), v_threshold, [s.g_threshold], s.lr_threshold)
    s.threshold[i] = Math.max(s.threshold[i]!, 1e-6)
    s.low[i] = s.threshold[i]! - s.bandwidth / 2
  }
}
