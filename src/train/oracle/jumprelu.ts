/**
 * JumpReLU: `acts = pre [pre > threshold]`.
 * Source: arXiv:2407.14435, eq. 4, 9 to 12; quadratic sparsity as in Gemma Scope 2, eq. 5.
 */
import { addColumnSums } from './linear.ts'
import type { OracleArchitecture, OracleLoss } from './types.ts'

export const jumprelu: OracleArchitecture = {
  acts: ({ d_sae, parameters: { threshold } }, { pre }) =>
    pre.map((z, j) => (z > threshold[j % d_sae]! ? z : 0)),

  /** `lambda / (2 l0*) (l0 - l0*)^2` or `lambda l0`, and per latent `weight omega (1 + omega / knee)`; `aux` raises the silent. */
  terms: ({ d_sae, parameters: { threshold } }, { n, pre, acts, l0 }, loss) => {
    const { lambda, l0_target, frequency } = loss
    const omega = frequencies(acts, d_sae, n)
    let sparsity =
      loss.sparsity === 'fixed' ? lambda * l0 : (lambda / (2 * l0_target)) * (l0 - l0_target) ** 2
    if (frequency)
      for (const o of omega) sparsity += frequency.weight * o * (1 + o / frequency.knee)
    const weights = silentWeights(loss, omega)
    const aux = pre.reduce(
      (sum, z, j) => sum + (weights[j % d_sae]! * Math.max(0, threshold[j % d_sae]! - z)) / n,
      0,
    )
    return { sparsity, aux }
  },

  /**
   * To `pre` where the latent is active, and from the price of silence, which holds the threshold constant. To the threshold by
   * the pseudo-derivatives `d acts / d threshold = -threshold / bandwidth`, `d [pre > threshold] / d threshold = -1 / bandwidth`,
   * both where `|pre - threshold| < bandwidth / 2`.
   */
  backward: ({ d_sae, parameters: { threshold } }, { n, pre, acts, l0 }, loss, g_acts, g) => {
    const omega = frequencies(acts, d_sae, n)
    const prices = omega.map((o) => priceOfFiring(o, l0, loss))
    const weights = silentWeights(loss, omega)
    const g_pre = pre.map((z, j) =>
      z > threshold[j % d_sae]! ? g_acts[j]! : -weights[j % d_sae]! / n,
    )
    for (let j = 0; j < pre.length; j++) {
      const i = j % d_sae
      if (Math.abs(pre[j]! - threshold[i]!) < loss.bandwidth / 2)
        g.threshold[i]! -= (threshold[i]! * g_acts[j]! + prices[i]! / n) / loss.bandwidth
    }
    addColumnSums(g.b_enc, g_pre)
    return g_pre
  },
}

/** `pre_act_weight` for latents that are dead and fire in this batch neither, 0 for the others: `weight mean_t relu(threshold - pre)`. */
function silentWeights(
  { dead, pre_act_weight = 0 }: OracleLoss,
  omega: Float64Array,
): Float64Array {
  return omega.map((o, i) => (dead?.[i] && o === 0 ? pre_act_weight : 0))
}

/** Share of tokens on which each latent is active [d_sae]. */
function frequencies(acts: Float64Array, d_sae: number, n: number): Float64Array {
  const omega = new Float64Array(d_sae)
  addColumnSums(
    omega,
    acts.map((a) => (a > 0 ? 1 / n : 0)),
  )
  return omega
}

/** d sparsity / d omega_i: a latent's share of l0 is its frequency, so the slope in l0 is paid by all alike. */
function priceOfFiring(omega: number, l0: number, loss: OracleLoss): number {
  const { lambda, l0_target, frequency } = loss
  const price = loss.sparsity === 'fixed' ? lambda : lambda * (l0 / l0_target - 1)
  return frequency ? price + frequency.weight * (1 + (2 * omega) / frequency.knee) : price
}
