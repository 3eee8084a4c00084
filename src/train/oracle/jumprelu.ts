/**
 * JumpReLU: `acts = pre [pre > threshold]`.
 * Source: arXiv:2407.14435, eq. 4, 9 to 12; quadratic sparsity as in Gemma Scope 2, eq. 5.
 */
import { addColumnSums } from './linear.ts'
import type { OracleArchitecture, OracleLoss } from './types.ts'

export const jumprelu: OracleArchitecture = {
  acts: ({ d_sae, parameters: { threshold } }, { pre }) =>
    pre.map((z, j) => (z > threshold[j % d_sae]! ? z : 0)),

  /** `lambda / (2 l0*) (l0 - l0*)^2` or `lambda l0`; per latent `weight omega (1 + omega / knee)`; of the dead, `relu(threshold - pre)`. */
  terms: ({ d_sae, parameters: { threshold } }, { n, pre, acts, l0 }, loss) => {
    const { lambda, l0_target } = loss
    let sparsity =
      loss.sparsity === 'fixed' ? lambda * l0 : (lambda / (2 * l0_target)) * (l0 - l0_target) ** 2
    if (loss.frequency) {
      const { weight, knee } = loss.frequency
      for (const omega of frequencies(acts, d_sae, n))
        sparsity += weight * omega * (1 + omega / knee)
    }
    let aux = 0
    for (let j = 0; j < pre.length; j++) {
      if (loss.dead?.[j % d_sae])
        aux += ((loss.pre_act_weight ?? 0) * Math.max(0, threshold[j % d_sae]! - pre[j]!)) / n
    }
    return { sparsity, aux }
  },

  /**
   * To `pre` only where the latent is active. To the threshold by the pseudo-derivatives
   * `d acts / d threshold = -threshold / bandwidth`, `d [pre > threshold] / d threshold = -1 / bandwidth`,
   * both where `|pre - threshold| < bandwidth / 2`.
   */
  backward: ({ d_sae, parameters: { threshold } }, { n, pre, acts, l0 }, loss, g_acts, g) => {
    const prices = frequencies(acts, d_sae, n).map((omega) => priceOfFiring(omega, l0, loss))
    const g_pre = new Float64Array(pre.length)
    for (let j = 0; j < pre.length; j++) {
      const i = j % d_sae
      const theta = threshold[i]!
      if (Math.abs(pre[j]! - theta) < loss.bandwidth / 2)
        g.threshold[i]! -= (theta * g_acts[j]! + prices[i]! / n) / loss.bandwidth
      if (pre[j]! > theta) g_pre[j] = g_acts[j]!
      else if (loss.dead?.[i] && pre[j]! < theta) {
        const weight = loss.pre_act_weight ?? 0
        g_pre[j]! -= weight / n
        g.threshold[i]! += weight / n
      }
    }
    addColumnSums(g.b_enc, g_pre)
    return g_pre
  },
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
