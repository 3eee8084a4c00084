/**
 * Gated: `gate = u + b_enc`, `mag = u e^r_mag + b_mag`, `acts = [gate > 0] relu(mag)`, with `u = input W_enc`. The gate learns
 * from the price `lambda mean_t sum_i relu(gate)` and from its own reconstruction through a decoder held constant.
 * Source: arXiv:2404.16014, eq. 6 to 8. With a skip, the held decoder includes it.
 */
import { addColumnSums, addTimesRows, dotRows, meanSquaredDistance } from './linear.ts'
import type { OracleArchitecture, OracleSae, OracleValues } from './types.ts'

export const gated: OracleArchitecture = {
  acts: ({ d_sae, parameters: { r_mag, b_mag } }, { product, pre: gate }) =>
    gate.map((z, j) => {
      const i = j % d_sae
      return z > 0 ? Math.max(0, product[j]! * Math.exp(r_mag[i]!) + b_mag[i]!) : 0
    }),

  terms: (sae, values, { lambda }) => ({
    sparsity: (lambda * reluOf(values.pre).reduce((sum, a) => sum + a, 0)) / values.n,
    aux: meanSquaredDistance(gateRecon(sae, values), values.y, values.n),
  }),

  backward: (sae, values, { lambda }, g_acts, g) => {
    const { d_sae, d_out, parameters: p } = sae
    const { n, y, pre: gate, product, acts, held } = values
    const g_recon = gateRecon(sae, values).map((v, j) => (2 * (v - y[j]!)) / n)
    const g_relu = dotRows(g_recon, held.decoder.W_dec, d_out)
    const g_gate = gate.map((z, j) => (z > 0 ? g_relu[j]! + lambda / n : 0))
    const g_mag = acts.map((a, j) => (a > 0 ? g_acts[j]! : 0))
    const slope = p.r_mag.map(Math.exp)
    addColumnSums(g.b_enc, g_gate)
    addColumnSums(g.b_mag, g_mag)
    addColumnSums(
      g.r_mag,
      g_mag.map((v, j) => v * product[j]! * slope[j % d_sae]!),
    )
    return g_gate.map((v, j) => v + g_mag[j]! * slope[j % d_sae]!)
  },
}

const reluOf = (values: Float64Array): Float64Array => values.map((z) => Math.max(0, z))

/** What the gate alone reconstructs: `relu(gate) W_dec + b_dec + x W_skip` [n, d_out], decoder held constant. */
function gateRecon({ d_in, d_out, d_sae }: OracleSae, values: OracleValues): Float64Array {
  const { W_dec, b_dec, W_skip } = values.held.decoder
  const recon = Float64Array.from({ length: values.n * d_out }, (_, j) => b_dec[j % d_out]!)
  addTimesRows(recon, reluOf(values.pre), W_dec, { d: d_out, m: d_sae })
  if (W_skip.length > 0) addTimesRows(recon, values.x, W_skip, { d: d_out, m: d_in })
  return recon
}
