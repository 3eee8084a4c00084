/** ReLU with an L1 price: `acts = relu(pre)`, `lambda mean_t sum_i acts`; decoder rows have unit norm, so no norm is in it. */
import { addColumnSums } from './linear.ts'
import type { OracleArchitecture } from './types.ts'

export const relu: OracleArchitecture = {
  acts: (_, { pre }) => pre.map((z) => Math.max(0, z)),

  terms: (_, { n, acts }, { lambda }) => ({
    sparsity: (lambda * acts.reduce((sum, a) => sum + a, 0)) / n,
    aux: 0,
  }),

  backward: (_, { n, pre }, { lambda }, g_acts, g) => {
    const g_pre = pre.map((z, j) => (z > 0 ? g_acts[j]! + lambda / n : 0))
    addColumnSums(g.b_enc, g_pre)
    return g_pre
  },
}
