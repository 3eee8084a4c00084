/** What a model loses by a coarser kind of weights: its predictions beside those of the same model in another precision. */

import type { Model } from '../model/index.ts'
import { batchDocuments, testDocuments } from './selfTestDocuments.ts'
import { SELF_TEST_TEXT } from './selfTestText.ts'
import { targetsAmong } from './targets.ts'

export type PrecisionComparison = {
  /** Predictions compared: one for each counted token with a token before it. */
  readonly n_tokens: number
  /** KL(reference || model), mean over predictions in nats. */
  readonly kl: number
  /** The largest of them. */
  readonly kl_max: number
  /** Share of predictions whose most probable token is the same. */
  readonly top1_agreement: number
  /** Mean next-token losses in nats. */
  readonly ce_loss_reference: number
  readonly ce_loss: number
}

/** Tokens compared unless asked otherwise. */
const MAX_TOKENS = 1024
/** Logits of a pass, of each of the two models: 256 MiB. A long text in a large vocabulary is cut for it. */
const MOST_LOGITS = 2 ** 26

/**
 * Compares the predictions of a model with those of the same model in a reference precision, on the built-in text.
 * @throws RangeError if the models have other vocabularies, TypeError if the reference has no tokenizer.
 */
export async function comparePrecision(
  reference: Model,
  model: Model,
  options: {
    readonly texts?: readonly string[]
    /** 1,024 unless given. */
    readonly max_tokens?: number
    readonly signal?: AbortSignal
  } = {},
): Promise<PrecisionComparison> {
  const { texts = SELF_TEST_TEXT, max_tokens = MAX_TOKENS, signal } = options
  const { d_vocab } = reference.config
  if (model.config.d_vocab !== d_vocab) {
    throw new RangeError(
      `comparePrecision: ${model.name} has ${model.config.d_vocab} tokens in its vocabulary, ${reference.name} ${d_vocab}. Compare a model with itself in another precision.`,
    )
  }
  const longest = Math.max(2, Math.floor(MOST_LOGITS / d_vocab))
  const { documents } = testDocuments(reference, texts, max_tokens)
  const cut = documents.map((ids) => ids.subarray(0, longest))
  const sums = { n: 0, kl: 0, kl_max: 0, agreed: 0, ce_reference: 0, ce: 0 }
  const asked = { logits: true, ...(signal === undefined ? {} : { signal }) }
  for (const { batch, at } of batchDocuments(reference, cut, longest)) {
    signal?.throwIfAborted()
    const expected = (await reference.forward(batch, asked)).logits!
    const found = (await model.forward(batch, asked)).logits!
    const { from, id } = targetsAmong(batch, at)
    for (const [i, row] of from.entries()) {
      const range = [row * d_vocab, (row + 1) * d_vocab] as const
      const one = compareRow(expected.subarray(...range), found.subarray(...range), id[i]!)
      sums.n++
      sums.kl += one.kl
      sums.kl_max = Math.max(sums.kl_max, one.kl)
      sums.agreed += one.agrees ? 1 : 0
      sums.ce_reference += one.loss_reference
      sums.ce += one.loss
    }
  }
  if (sums.n === 0) {
    throw new RangeError(
      'comparePrecision: no token is predicted from one before it. Give longer texts.',
    )
  }
  return {
    n_tokens: sums.n,
    kl: sums.kl / sums.n,
    kl_max: sums.kl_max,
    top1_agreement: sums.agreed / sums.n,
    ce_loss_reference: sums.ce_reference / sums.n,
    ce_loss: sums.ce / sums.n,
  }
}

/** One prediction of both, from their logits [d_vocab], summed in f64. */
function compareRow(expected: Float32Array, found: Float32Array, target: number) {
  const p = partition(expected)
  const q = partition(found)
  let kl = 0
  for (let v = 0; v < expected.length; v++) {
    const log_p = expected[v]! - p.log_sum
    kl += Math.exp(log_p) * (log_p - (found[v]! - q.log_sum))
  }
  return {
    kl: Math.max(0, kl), // rounding may take it below
    agrees: p.top === q.top,
    loss_reference: p.log_sum - expected[target]!,
    loss: q.log_sum - found[target]!,
  }
}

/** The logarithm of the sum of exponentials, and where the largest logit lies. */
function partition(logits: Float32Array): { log_sum: number; top: number } {
  let top = 0
  for (let v = 1; v < logits.length; v++) if (logits[v]! > logits[top]!) top = v
  const largest = logits[top]!
  let sum = 0
  for (let v = 0; v < logits.length; v++) sum += Math.exp(logits[v]! - largest)
  return { log_sum: largest + Math.log(sum), top }
}
