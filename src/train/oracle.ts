/**
 * The training step as one reads it in the papers: dense, in f64, one loop a formula, for every architecture (one file each
 * in `oracle/`), as SAE or transcoder. Slow; the engine is tested against it, and its own gradients against central
 * differences.
 */
import { gated } from './oracle/gated.ts'
import { jumprelu } from './oracle/jumprelu.ts'
import {
  addColumnSums,
  addOuter,
  addTimesRows,
  dotRows,
  meanSquaredDistance,
} from './oracle/linear.ts'
import { relu } from './oracle/relu.ts'
import { batchtopk, topk } from './oracle/topk.ts'
import {
  type HeldConstant,
  type OracleArchitecture,
  type OracleBatch,
  type OracleLoss,
  type OracleParameters,
  type OracleSae,
  type OracleValues,
  PARAMETERS,
  zerosLike,
} from './oracle/types.ts'

export { auxShares } from './oracle/auxK.ts'
export * from './oracle/types.ts'

const ARCHITECTURES: Readonly<Record<OracleSae['architecture'], OracleArchitecture>> = {
  ...{ jumprelu, relu, gated, topk, batchtopk },
  matryoshka: batchtopk,
}

/**
 * One pass: `recon = acts W_dec + b_dec + x W_skip`, once for every prefix of the dictionary that the loss looks at.
 * @param held what the losses take as constant; from this pass where absent.
 * @returns with the values: `mse` of the whole dictionary, `sparsity`, `aux`, and their sum `loss`, in which the mse of every
 *   prefix counts once.
 */
export function oracleForward(
  sae: OracleSae,
  { x, y = x }: OracleBatch,
  loss: OracleLoss,
  held?: HeldConstant,
) {
  const { d_in, d_out, d_sae, parameters: p, transcoder } = sae
  const n = x.length / d_in
  const input = transcoder ? x : x.map((value, j) => value - p.b_dec[j % d_in]!)
  const product = dotRows(input, p.W_enc, d_in)
  const pre = product.map((z, j) => z + p.b_enc[j % d_sae]!)
  const acts = ARCHITECTURES[sae.architecture].acts(sae, { n, product, pre }, loss)

  const recons: Float64Array[] = []
  const recon = Float64Array.from({ length: n * d_out }, (_, j) => p.b_dec[j % d_out]!)
  if (p.W_skip.length > 0) addTimesRows(recon, x, p.W_skip, { d: d_out, m: d_in })
  for (const { from, to } of groups(sae, loss)) {
    addTimesRows(recon, acts, p.W_dec, { d: d_out, m: d_sae, from, to })
    recons.push(recon.slice())
  }
  const residual = recon.map((v, j) => y[j]! - v)

  const values: OracleValues = {
    ...{ n, x, y, input, product, pre, acts, recons },
    l0: acts.reduce((count, a) => count + (a > 0 ? 1 : 0), 0) / n,
    held: held ?? { decoder: p, residual },
  }
  const { sparsity, aux } = ARCHITECTURES[sae.architecture].terms(sae, values, loss)
  const errors = recons.map((r) => meanSquaredDistance(r, y, n))
  const total = errors.reduce((sum, e) => sum + e, 0) + sparsity + aux
  return { ...values, recon, mse: errors.at(-1)!, sparsity, aux, loss: total }
}

/** Gradients of the loss; the threshold's is a pseudo-derivative (`oracle/jumprelu.ts`). */
export function oracleGradients(
  sae: OracleSae,
  batch: OracleBatch,
  loss: OracleLoss,
): OracleParameters {
  const { d_in, d_out, d_sae, parameters: p, transcoder } = sae
  const values = oracleForward(sae, batch, loss)
  const { n, x, y, input, acts, recons } = values
  const g = zerosLike(p)

  // From the last group of latents to the first: a group takes part in its own prefix and in all later ones.
  const g_recon = new Float64Array(n * d_out)
  const g_acts = new Float64Array(n * d_sae)
  for (const [j, { from, to }] of [...groups(sae, loss).entries()].reverse()) {
    for (let c = 0; c < g_recon.length; c++) g_recon[c]! += (2 * (recons[j]![c]! - y[c]!)) / n
    addOuter(g.W_dec, acts, g_recon, { d: d_out, m: d_sae, from, to })
    const rows = p.W_dec.subarray(from * d_out, to * d_out)
    const g_group = dotRows(g_recon, rows, d_out)
    for (let t = 0; t < n; t++)
      g_acts.set(g_group.subarray(t * (to - from), (t + 1) * (to - from)), t * d_sae + from)
  }
  addColumnSums(g.b_dec, g_recon)
  if (p.W_skip.length > 0) addOuter(g.W_skip, x, g_recon, { d: d_out, m: d_in })

  const g_product = ARCHITECTURES[sae.architecture].backward(sae, values, loss, g_acts, g)
  addOuter(g.W_enc, g_product, input, { d: d_in, m: d_sae })
  if (!transcoder) {
    const g_input = new Float64Array(n * d_in)
    addTimesRows(g_input, g_product, p.W_enc, { d: d_in, m: d_sae })
    addColumnSums(g.b_dec, g_input, -1)
  }
  return g
}

/**
 * One step in place: the decoder's gradient projected off its rows, Adam without first moment, rows back to unit norm,
 * thresholds kept positive.
 * @param options.t steps taken, this one included.
 */
export function oracleStep(
  sae: OracleSae,
  g: OracleParameters,
  options: { lr: number; lr_threshold: number; beta2: number; adam_eps: number; t: number },
): void {
  const { d_out, d_sae, parameters: p, v } = sae
  for (let i = 0; i < d_sae; i++) {
    const row = g.W_dec.subarray(i * d_out, (i + 1) * d_out)
    const along = row.reduce((sum, value, k) => sum + value * p.W_dec[i * d_out + k]!, 0)
    for (let k = 0; k < d_out; k++) row[k]! -= along * p.W_dec[i * d_out + k]!
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
    const row = p.W_dec.subarray(i * d_out, (i + 1) * d_out)
    const norm = Math.hypot(...row)
    for (let k = 0; k < d_out; k++) row[k]! /= norm
  }
  for (let i = 0; i < p.threshold.length; i++) p.threshold[i] = Math.max(p.threshold[i]!, 1e-6)
}

/** Latents of each prefix that are not in the one before it. */
function groups(
  { architecture, d_sae }: OracleSae,
  { prefixes = [d_sae] }: OracleLoss,
): { readonly from: number; readonly to: number }[] {
  if (architecture !== 'matryoshka') return [{ from: 0, to: d_sae }]
  return prefixes.map((to, j) => ({ from: j === 0 ? 0 : prefixes[j - 1]!, to }))
}
