/**
 * The top-k kinds. `acts = pre` where it is positive and among the k largest of its token (topk, arXiv:2406.04093) or the
 * k n largest of the batch (batchtopk, arXiv:2412.06410; matryoshka, arXiv:2503.17547); what ties with the last is kept.
 * Matryoshka differs in its reconstructions alone (`../oracle.ts`).
 */
import { auxBackward, auxLoss } from './auxK.ts'
import { keepLargest } from './largest.ts'
import { addColumnSums } from './linear.ts'
import type {
  OracleArchitecture,
  OracleLoss,
  OracleParameters,
  OracleSae,
  OracleValues,
} from './types.ts'

export const topk: OracleArchitecture = {
  acts: ({ d_sae }, { n, pre }, { l0_target: k }) => {
    const acts = new Float64Array(pre.length)
    for (let t = 0; t < n; t++)
      acts.set(keepLargest(pre.subarray(t * d_sae, (t + 1) * d_sae), k), t * d_sae)
    return acts
  },
  terms,
  backward,
}

export const batchtopk: OracleArchitecture = {
  acts: (_, { n, pre }, { l0_target: k }) => keepLargest(pre, Math.round(k * n)),
  terms,
  backward,
}

function terms(sae: OracleSae, values: OracleValues, loss: OracleLoss) {
  return { sparsity: 0, aux: auxLoss(sae, values, loss) }
}

/** To `pre` where the latent is active, and to the dead that AuxK chose. */
function backward(
  sae: OracleSae,
  values: OracleValues,
  loss: OracleLoss,
  g_acts: Float64Array,
  g: OracleParameters,
): Float64Array {
  const g_aux = auxBackward(sae, values, loss, g)
  const g_pre = values.acts.map((a, j) => (a > 0 ? g_acts[j]! : 0) + g_aux[j]!)
  addColumnSums(g.b_enc, g_pre)
  return g_pre
}
