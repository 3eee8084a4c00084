/** Many documents sampled from a model at once: training text for its own dictionaries. */

import { endIds, nextLogits, type StopReason } from './generate.ts'
import { selectRows } from './kvCache.ts'
import { openRandom } from './random.ts'
import { checkSampling, type SamplingOptions, sampleToken } from './sampling.ts'
import type { Model } from './types.ts'

export type SampleOptions = SamplingOptions & {
  readonly n_docs: number
  /** Tokens a document at most, BOS not counted (default and limit: n_ctx - 1). */
  readonly max_tokens?: number
  readonly seed?: number
  /** Documents that run side by side (default 64). */
  readonly batch?: number
  readonly signal?: AbortSignal
}

export type SampledDocument = {
  /** Without BOS and without the token that ended it. */
  readonly ids: Int32Array
  /** Empty where the model has no tokenizer. */
  readonly text: string
  readonly stop: StopReason
}

/**
 * Samples documents from BOS. Document i draws from stream i of the seed, so a longer run begins with a shorter one's documents.
 * The same arguments give the same documents on the same kind of processor; `batch` may change the last bits of logits.
 * @throws RangeError if an option is out of range.
 */
export async function* sampleDocuments(
  model: Model,
  options: SampleOptions,
): AsyncGenerator<SampledDocument, void, undefined> {
  checkSampling(options)
  const { n_ctx } = model.config
  const { n_docs, max_tokens = n_ctx - 1, batch = 64 } = options
  if (!(max_tokens >= 1 && max_tokens < n_ctx)) {
    throw new RangeError(
      `sampleDocuments: max_tokens is ${max_tokens}, expected 1 to ${n_ctx - 1} (n_ctx ${n_ctx} with BOS).`,
    )
  }
  if (!(batch >= 1)) throw new RangeError(`sampleDocuments: batch is ${batch}, expected 1 or more.`)
  for (let first = 0; first < n_docs; first += batch) {
    const n = Math.min(batch, n_docs - first)
    yield* await sampleBatch(model, options, first, n, max_tokens)
  }
}

async function sampleBatch(
  model: Model,
  options: SampleOptions,
  first: number,
  n: number,
  max_tokens: number,
): Promise<SampledDocument[]> {
  const { seed = 0, signal } = options
  const ends = endIds(model)
  const docs = Array.from({ length: n }, (_, i) => ({
    ids: [] as number[],
    stop: 'max_tokens' as StopReason,
    random: openRandom(seed, first + i),
  }))
  let cache = model.openCache(n, max_tokens)
  const { bos_token_id } = model.config
  if (bos_token_id === undefined) {
    throw new RangeError(
      `sampleDocuments: ${model.name} has no bos_token_id in its config.json, and a document begins with BOS.`,
    )
  }
  let live = docs.map((doc) => ({ doc, next: bos_token_id }))
  while (live.length > 0) {
    const rows = live.map(({ next }) => Int32Array.of(next))
    const logits = await nextLogits(model, rows, cache, signal === undefined ? {} : { signal })
    const d_vocab = model.config.d_vocab
    const kept: number[] = []
    live.forEach((row, i) => {
      const own = logits.subarray(i * d_vocab, (i + 1) * d_vocab)
      row.next = sampleToken(own, options, row.doc.random).id
      if (ends.has(row.next)) {
        row.doc.stop = 'end_of_text'
        return
      }
      row.doc.ids.push(row.next)
      if (row.doc.ids.length < max_tokens) kept.push(i)
    })
    if (kept.length < live.length && kept.length > 0) {
      const rest = selectRows(cache, kept)
      cache.close()
      cache = rest
    }
    live = kept.map((i) => live[i]!)
  }
  cache.close()
  return docs.map(({ ids, stop }) => ({
    ids: Int32Array.from(ids),
    text: model.tokenizer?.detokenize(ids) ?? '',
    stop,
  }))
}
