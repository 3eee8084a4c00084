/**
 * The training step as one reads it in the papers: dense, in f64, one loop a formula. Slow; the engine is tested
 * against it, and its own gradients against central differences.
 */
import { sparsityLoss, sparsitySlope } from './schedules.ts'

const PARAMETERS = ['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'] as const

/** W_enc and W_dec [d_sae, d_in], b_enc and threshold [d_sae], b_dec [d_in]. */
export type OracleParameters = Record<(typeof PARAMETERS)[number], Float64Array>

export type OracleSae = {
  readonly d_in: number
  readonly d_sae: number
  readonly parameters: OracleParameters
  /** Adam's second moments. */
  readonly v: OracleParameters
}

export type OracleLoss = { readonly l0_target: number; readonly lambda: number }

/** pre, acts [n, d_sae], recon [n, d_in] of x [n, d_in], and the loss `mean ||x - recon||^2 + sparsity(l0)`. */
export function oracleForward(sae: OracleSae, x: Float64Array, { l0_target, lambda }: OracleLoss) {
  const { d_in, d_sae, parameters: p } = sae
  const n = x.length / d_in
  const pre = new Float64Array(n * d_sae)
  const acts = new Float64Array(n * d_sae)
  const recon = new Float64Array(n * d_in)
  let active = 0
  for (let t = 0; t < n; t++) {
    for (let k = 0; k < d_in; k++) recon[t * d_in + k] = p.b_dec[k]!
    for (let i = 0; i < d_sae; i++) {
      let z = p.b_enc[i]!
      for (let k = 0; k < d_in; k++) z += (x[t * d_in + k]! - p.b_dec[k]!) * p.W_enc[i * d_in + k]!
      pre[t * d_sae + i] = z
      if (z <= p.threshold[i]!) continue
      active++
      acts[t * d_sae + i] = z
      for (let k = 0; k < d_in; k++) recon[t * d_in + k]! += z * p.W_dec[i * d_in + k]!
    }
  }
  const mse = x.reduce((sum, v, i) => sum + (v - recon[i]!) ** 2, 0) / n
  const l0 = active / n
  return { pre, acts, recon, mse, l0, loss: mse + sparsityLoss(l0, l0_target, lambda) }
}

/**
 * Gradients of the loss; the threshold's is the pseudo-derivative
 * `mean_t -(threshold g + sparsity'(l0)) / bandwidth [|pre - threshold| < bandwidth / 2]`, `g = d loss_t / d act`.
 * Source: arXiv:2407.14435, eq. 11 and 12.
 */
export function oracleGradients(
  sae: OracleSae,
  x: Float64Array,
  loss: OracleLoss,
  bandwidth: number,
): OracleParameters {
  const { d_in, d_sae, parameters: p } = sae
  const n = x.length / d_in
  const { pre, acts, recon, l0 } = oracleForward(sae, x, loss)
  const g: OracleParameters = {
    W_enc: new Float64Array(d_sae * d_in),
    W_dec: new Float64Array(d_sae * d_in),
    b_enc: new Float64Array(d_sae),
    b_dec: new Float64Array(d_in),
    threshold: new Float64Array(d_sae),
  }
  for (let t = 0; t < n; t++) {
    const g_recon = Float64Array.from(
      { length: d_in },
      (_, k) => (2 * (recon[t * d_in + k]! - x[t * d_in + k]!)) / n,
    )
    for (let k = 0; k < d_in; k++) g.b_dec[k]! += g_recon[k]!
    for (let i = 0; i < d_sae; i++) {
      const z = pre[t * d_sae + i]!
      const g_act = g_recon.reduce((sum, v, k) => sum + v * p.W_dec[i * d_in + k]!, 0)
      const price = sparsitySlope(l0, loss.l0_target, loss.lambda) / n
      if (Math.abs(z - p.threshold[i]!) < bandwidth / 2)
        g.threshold[i]! -= (p.threshold[i]! * g_act + price) / bandwidth
      if (z <= p.threshold[i]!) continue
      g.b_enc[i]! += g_act
      for (let k = 0; k < d_in; k++) {
        g.W_dec[i * d_in + k]! += acts[t * d_sae + i]! * g_recon[k]!
        g.W_enc[i * d_in + k]! += g_act * (x[t * d_in + k]! - p.b_dec[k]!)
        g.b_dec[k]! -= g_act * p.W_enc[i * d_in + k]!
      }
    }
  }
  return g
}

/** One step in place: projection of the decoder's gradient, Adam without first moment, unit rows, positive thresholds. */
export function oracleStep(
  sae: OracleSae,
  g: OracleParameters,
  options: { lr: number; lr_threshold: number; beta2: number; adam_eps: number; t: number },
): void {
  const { d_in, d_sae, parameters: p, v } = sae
  for (let i = 0; i < d_sae; i++) {
    const row = g.W_dec.subarray(i * d_in, (i + 1) * d_in)
    const along = row.reduce((sum, value, k) => sum + value * p.W_dec[i * d_in + k]!, 0)
    for (let k = 0; k < d_in; k++) row[k]! -= along * p.W_dec[i * d_in + k]!
  }
  for (const name of PARAMETERS) {
    const lr = name === 'threshold' ? options.lr_threshold : options.lr
    for (let j = 0; j < p[name].length; j++) {
      v[name][j] = options.beta2 * v[name][j]! + (1 - options.beta2) * g[name][j]! ** 2
      const scale = Math.sqrt(v[name][j]! / (1 - options.beta2 ** options.t)) + options.adam_eps
      p[name][j]! -= (lr * g[name][j]!) / scale
    }
  }
  for (let i = 0; i < d_sae; i++) {
    const row = p.W_dec.subarray(i * d_in, (i + 1) * d_in)
    const norm = Math.hypot(...row)
    for (let k = 0; k < d_in; k++) row[k]! /= norm
    p.threshold[i] = Math.max(p.threshold[i]!, 1e-6)
  }
}
