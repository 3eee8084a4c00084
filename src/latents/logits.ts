/**
 * Logit effects: which output tokens a latent's decoder direction raises and lowers when it is written to the residual stream
 * and nothing but the final norm's gain and the unembedding follows.
 *
 * effect[v] = W_dec[i] . U[v] - mean over v, with U the unembedding with the final norm's gain folded in.
 *
 * In logits per unit of activation, before the final norm's division and softcap: these depend on the context, and neither
 * changes the order. The mean over the vocabulary is taken off, as a shift of all logits changes no probability: an effect of 0
 * means "as the average token". Neuronpedia shows the same products without taking off the mean: same tokens, other numbers.
 */

import type { Model } from '../model/index.ts'
import { outputSite, type Sae } from '../sae/index.ts'
import { extremeProducts, type Multiply } from './product.ts'
import type { LatentColumns } from './types.ts'

/** Output tokens kept at each end. */
export const N_LOGITS = 10

type LogitColumns = Pick<
  LatentColumns,
  'top_logit_id' | 'top_logit_effect' | 'bottom_logit_id' | 'bottom_logit_effect'
>

/** Why the decoder directions of an SAE have no logit effects, `undefined` where they have. They are those of the site it writes. */
export function whyNoLogits(
  sae: Pick<Sae, 'hook_name' | 'd_in' | 'transcoder'>,
  d_model: number,
): string | undefined {
  const { hook, d } = outputSite(sae)
  if (hook.endsWith('attn.hook_z')) {
    return `${hook} lies before the attention's output projection: its directions are not directions of the residual stream`
  }
  if (d !== d_model) return `${hook} is ${d} wide, the residual stream ${d_model}`
  return undefined
}

/**
 * The N_LOGITS tokens most raised and most lowered by each latent.
 * @returns columns [d_sae, N_LOGITS], strongest first; all ids -1, effects 0 where `whyNoLogits` has a reason.
 */
export async function logitEffects(
  model: Pick<Model, 'config' | 'unembedding'>,
  sae: Sae,
  multiply: Multiply,
  signal?: AbortSignal,
): Promise<LogitColumns> {
  const { d_model } = model.config
  if (whyNoLogits(sae, d_model) !== undefined) {
    const n = sae.d_sae * N_LOGITS
    return {
      top_logit_id: new Int32Array(n).fill(-1),
      top_logit_effect: new Float32Array(n),
      bottom_logit_id: new Int32Array(n).fill(-1),
      bottom_logit_effect: new Float32Array(n),
    }
  }
  const U = await model.unembedding()
  const { largest, smallest } = await extremeProducts(multiply, sae.W_dec, U, {
    d: d_model,
    n_largest: N_LOGITS,
    n_smallest: N_LOGITS,
    ...(signal === undefined ? {} : { signal }),
  })
  const mean = meanRow(U, d_model)
  const shift = await multiply(sae.W_dec, mean, d_model)
  return {
    top_logit_id: largest.index,
    top_logit_effect: lessShift(largest, shift),
    bottom_logit_id: smallest.index,
    bottom_logit_effect: lessShift(smallest, shift),
  }
}

/** Bars of an effect histogram. */
const N_EFFECT_BINS = 41

/**
 * How one decoder direction's effects spread over the vocabulary, as `logitEffects` defines them.
 * @param U [d_vocab, d], @param row [d] the decoder direction.
 * @returns counts[b] effects in [edges[b], edges[b + 1]), the last bin closed, and their standard deviation.
 */
export function effectHistogram(
  U: Float32Array,
  row: Float32Array,
): { edges: number[]; counts: number[]; standard_deviation: number } {
  const d = row.length
  const n = U.length / d
  const effects = new Float64Array(n)
  let mean = 0
  for (let v = 0; v < n; v++) {
    let effect = 0
    for (let k = 0; k < d; k++) effect += U[v * d + k]! * row[k]!
    effects[v] = effect
    mean += effect / n
  }
  let square = 0
  let most = 0
  for (let v = 0; v < n; v++) {
    effects[v]! -= mean
    square += effects[v]! ** 2 / n
    most = Math.max(most, Math.abs(effects[v]!))
  }
  const width = (2 * most || 1) / N_EFFECT_BINS
  const counts = new Array<number>(N_EFFECT_BINS).fill(0)
  for (const effect of effects)
    counts[Math.min(N_EFFECT_BINS - 1, Math.floor((effect + most) / width))]!++
  const edges = Array.from({ length: N_EFFECT_BINS + 1 }, (_, b) => b * width - most)
  return { edges, counts, standard_deviation: Math.sqrt(square) }
}

function lessShift(
  { index, value }: { index: Int32Array; value: Float32Array },
  shift: Float32Array,
): Float32Array {
  return value.map((effect, i) => (index[i] === -1 ? 0 : effect - shift[Math.floor(i / N_LOGITS)]!))
}

/** The mean row of U [n, d]. */
export function meanRow(U: Float32Array, d: number): Float32Array {
  const sum = new Float64Array(d)
  for (let at = 0; at < U.length; at += d) for (let k = 0; k < d; k++) sum[k]! += U[at + k]!
  return Float32Array.from(sum, (total) => (total * d) / U.length)
}
