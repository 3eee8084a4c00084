/** Text from a model, token by token, with a KV cache and edits at every step. */

import { padBatch } from './batch.ts'
import { controlIds } from './controlIds.ts'
import { openRandom } from './random.ts'
import { checkSampling, type SamplingOptions, sampleToken } from './sampling.ts'
import type { ForwardOptions, HookEdit, HookRead, KvCache, Model } from './types.ts'

/** Why a text ended: the model closed it, the asked length is reached, or the context is full. */
export type StopReason = 'end_of_text' | 'max_tokens' | 'n_ctx'

export type GeneratedToken = {
  readonly id: number
  /** As in `Tokenizer.pieces`; the id in angle brackets where there is no tokenizer. */
  readonly piece: string
  /** What it adds to the text: empty for a token that ends it and while a character's bytes are incomplete. */
  readonly text: string
  /** In nats, under the model itself: temperature 1, nothing cut off. Edits count as part of the model. */
  readonly logprob: number
  /** Set on the last token only. */
  readonly stop?: StopReason
}

export type GenerateOptions = SamplingOptions & {
  /** Text to go on from, BOS put in front; or `ids`. */
  readonly prompt?: string
  /** Tokens to go on from as they are, BOS included. */
  readonly ids?: Int32Array
  /** At most this many new tokens (default: as many as the context holds). */
  readonly max_tokens?: number
  readonly seed?: number
  /** Applied to the prompt and at every step, as `reads` are. */
  readonly edits?: readonly HookEdit[]
  readonly reads?: readonly HookRead[]
  /** Ids that end the text besides EOS, BOS and padding. */
  readonly stop?: readonly number[]
  readonly signal?: AbortSignal
}

/**
 * Generates from a prompt. The token that ends a text (EOS, or BOS: another document) is the last one given.
 * @throws RangeError if the prompt fills the context or an option is out of range; TypeError if there is not exactly one of
 *   `prompt` and `ids`, or a prompt but no tokenizer.
 */
export async function* generate(
  model: Model,
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken, void, undefined> {
  checkSampling(options)
  const prompt = promptIds(model, options)
  const { n_ctx } = model.config
  const { max_tokens = n_ctx, seed = 0 } = options
  if (prompt.length === 0) {
    throw new RangeError(
      `generate: the prompt has no tokens, and ${model.name} puts no BOS in front. Give some text.`,
    )
  }
  if (prompt.length >= n_ctx) {
    throw new RangeError(
      `generate: the prompt has ${prompt.length} tokens, expected fewer than n_ctx ${n_ctx}. Shorten it.`,
    )
  }
  const n_new = Math.min(max_tokens, n_ctx - prompt.length)
  const cache = model.openCache(1, prompt.length + n_new)
  const random = openRandom(seed)
  const ends = endIds(model, options.stop)
  const special = model.tokenizer?.special_ids
  const text = model.tokenizer?.openText({ continues: prompt.some((id) => !special?.has(id)) })
  let ids = prompt
  try {
    for (let n = 1; n <= n_new; n++) {
      const logits = await nextLogits(model, [ids], cache, options)
      const { id, logprob } = sampleToken(logits, options, random)
      const stop = ends.has(id)
        ? 'end_of_text'
        : n === max_tokens
          ? 'max_tokens'
          : n === n_new
            ? 'n_ctx'
            : undefined
      yield {
        id,
        piece: model.tokenizer?.pieces[id] ?? `<${id}>`,
        text: (ends.has(id) ? '' : (text?.push(id) ?? '')) + (stop ? (text?.end() ?? '') : ''),
        logprob,
        ...(stop === undefined ? {} : { stop }),
      }
      if (stop !== undefined) return
      ids = Int32Array.of(id)
    }
  } finally {
    cache.close()
  }
}

/** Logits after rows of equal length, [n_seqs, d_vocab]; the cache takes them in. */
export async function nextLogits(
  model: Model,
  rows: readonly Int32Array[],
  cache: KvCache,
  { edits = [], reads = [], signal }: Pick<ForwardOptions, 'edits' | 'reads' | 'signal'>,
): Promise<Float32Array> {
  const { logits } = await model.forward(padBatch(rows), {
    logits: 'last',
    cache,
    edits,
    reads,
    ...(signal === undefined ? {} : { signal }),
  })
  return logits!
}

/** Ids that end a document: EOS, padding, and BOS, which can only begin another one. */
export function endIds({ config }: Model, more: readonly number[] = []): ReadonlySet<number> {
  return new Set([...controlIds(config), ...more])
}

function promptIds(model: Model, { prompt, ids }: GenerateOptions): Int32Array {
  if ((prompt === undefined) === (ids === undefined)) {
    throw new TypeError('generate: give either a prompt or ids, and not both.')
  }
  if (ids !== undefined) return ids
  if (model.tokenizer !== undefined) return model.tokenizer.tokenize(prompt!)
  throw new TypeError(`generate: ${model.name} has no tokenizer. Give token ids, BOS first.`)
}
