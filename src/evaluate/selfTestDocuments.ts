/** Documents of a self-test: texts as token ids, batched, and which of their tokens count. */

import { specialIds } from '../activations/index.ts'
import { type Model, padBatch, type TokenBatch } from '../model/index.ts'

export type TestDocuments = {
  /** Each with BOS in front if the tokenizer puts one there; at most n_ctx tokens. */
  readonly documents: readonly Int32Array[]
  /** Tokens that count. */
  readonly n_tokens: number
  /** BOS and other special tokens, left out of every number. */
  readonly n_excluded: number
}

/** Documents that go through the model together. */
export type TestBatch = {
  readonly batch: TokenBatch
  /** [n] where the counted tokens lie, `row * seq_len + column`. */
  readonly at: Int32Array
  /** [m] the same of special tokens, padding not among them. */
  readonly special_at: Int32Array
}

/** Longest document: as long as the texts that published SAEs were measured on. */
const DOCUMENT_TOKENS = 1024

/**
 * The first texts that together hold `max_tokens` counted tokens; the last is cut, and one longer than the context becomes several
 * documents.
 * @throws TypeError if the model has no tokenizer, RangeError if no token counts.
 */
export function testDocuments(
  model: Pick<Model, 'name' | 'config' | 'tokenizer'>,
  texts: readonly string[],
  max_tokens: number,
): TestDocuments {
  const { name, config, tokenizer } = model
  if (tokenizer === undefined) {
    throw new TypeError(
      `self-test: model ${name} has no tokenizer, so no text can be run through it. Put its tokenizer.json beside its weights.`,
    )
  }
  const special = specialIds(model)
  const documents: Int32Array[] = []
  let n_tokens = 0
  let n_excluded = 0
  const longest = Math.min(config.n_ctx, DOCUMENT_TOKENS)
  for (const text of texts) {
    const ids = tokenizer.tokenize(text)
    const lead = special.has(ids[0]!) ? ids.slice(0, 1) : new Int32Array(0)
    const step = longest - lead.length
    for (let from = lead.length; from < ids.length && n_tokens < max_tokens; from += step) {
      const document = Int32Array.of(...lead, ...ids.subarray(from, from + step))
      let end = 0
      for (; end < document.length && n_tokens < max_tokens; end++) {
        if (special.has(document[end]!)) n_excluded++
        else n_tokens++
      }
      documents.push(document.subarray(0, end))
    }
  }
  if (n_tokens > 0) return { documents, n_tokens, n_excluded }
  throw new RangeError(
    `self-test: none of the ${texts.length} texts holds a token that counts (max_tokens ${max_tokens}). Give more text.`,
  )
}

/**
 * The same documents begun the other way: without BOS where the tokenizer puts one in front, else with the BOS that config.json
 * names; `undefined` where it names none. Documents of nothing else are left out.
 */
export function otherwiseBegun(
  { config, tokenizer }: Pick<Model, 'config' | 'tokenizer'>,
  documents: readonly Int32Array[],
): { readonly documents: Int32Array[]; readonly hasBos: boolean } | undefined {
  const special = specialIds({ config, tokenizer })
  if (documents.every((ids) => special.has(ids[0]!))) {
    const bare = documents.map((ids) => ids.subarray(1)).filter((ids) => ids.length > 0)
    return { documents: bare, hasBos: false }
  }
  const bos: number | undefined = config.bos_token_id
  if (bos === undefined) return undefined
  const begun = documents.map((ids) => Int32Array.of(bos, ...ids.subarray(0, config.n_ctx - 1)))
  return { documents: begun, hasBos: true }
}

/** Documents in their order, as many to a batch as `rows x longest` allows, one at least. */
export function* batchDocuments(
  model: Pick<Model, 'config' | 'tokenizer'>,
  documents: readonly Int32Array[],
  batch_tokens: number,
): Generator<TestBatch> {
  const special = specialIds(model)
  for (let first = 0; first < documents.length; ) {
    let longest = 0
    let end = first
    for (; end < documents.length; end++) {
      longest = Math.max(longest, documents[end]!.length)
      if (end > first && longest * (end + 1 - first) > batch_tokens) break
    }
    const rows = documents.slice(first, end)
    first = end
    const batch = padBatch(rows, model.config.pad_token_id)
    const at: number[] = []
    const special_at: number[] = []
    for (const [row, ids] of rows.entries()) {
      for (const [column, id] of ids.entries()) {
        ;(special.has(id) ? special_at : at).push(row * batch.seq_len + column)
      }
    }
    yield { batch, at: Int32Array.from(at), special_at: Int32Array.from(special_at) }
  }
}
