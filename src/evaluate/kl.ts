/** KL divergence: how far the spliced model's predictions are from the model's own, whatever the text says. */

import type { OnnxGraph, OnnxValue } from '../formats/index.ts'

/**
 * `kl = sum_v P(v) (ln P(v) - ln Q(v))` in nats, of each row; `KL(P_plain || P_spliced)`, whose mean over targets is reported.
 * @param log_q [n, d_vocab] log-probabilities of the spliced model.
 * @param p [n, d_vocab] probabilities of the plain model. @param negentropy [n, 1] `sum_v P(v) ln P(v)`.
 * @returns [n, 1], within float32's rounding of the entropy (about 1e-6).
 */
export function addKl(
  graph: OnnxGraph,
  log_q: OnnxValue,
  p: OnnxValue,
  negentropy: OnnxValue,
): OnnxValue {
  return graph.node('Sub', [negentropy, sumProducts(graph, p, log_q)])
}

/** `sum_v P(v) ln P(v)` [n, 1] of each row. */
export function addNegentropy(graph: OnnxGraph, p: OnnxValue, log_p: OnnxValue): OnnxValue {
  return sumProducts(graph, p, log_p)
}

/** Row sums of products [n, 1]. */
function sumProducts(graph: OnnxGraph, a: OnnxValue, b: OnnxValue): OnnxValue {
  const axes = graph.constant('last_axis', 'I64', [1], new Uint8Array(BigInt64Array.of(1n).buffer))
  return graph.node('ReduceSum', [graph.node('Mul', [a, b]), axes], { attributes: { keepdims: 1 } })
}
