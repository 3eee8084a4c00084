/**
 * Runs a corpus through a model once and gives the activations of all asked sites, batch by batch.
 *
 * 1. `planCapture` takes the first documents of the corpus that hold `n_tokens` countable tokens and batches them: within
 *    every stretch of 512 documents, longest first, consecutive ones as long as rows x longest stays within `batch_tokens`.
 *    So little is spent on padding, the order depends on the text alone, and memory holds one batch.
 * 2. `capture` runs each batch and keeps the rows of countable tokens: specials (BOS, EOS, padding, chat frame) are left
 *    out and counted. In Gemma 2 it is the BOS whose norm is out of all proportion; no other token is left out for its norm.
 */

import {
  controlIds,
  type HookActs,
  type HookName,
  type Model,
  padBatch,
  type TokenBatch,
} from '../model/index.ts'
import { countDocuments } from './corpus.ts'
import type { CapturedBatch, TokenCorpus } from './types.ts'

/** Documents that go through the model together. */
export type PlannedBatch = {
  /** Indices of documents, longest first. */
  readonly docs: readonly number[]
  /** How many of their tokens are counted. */
  readonly n_tokens: number
  /** How many special tokens they hold among the tokens looked at. */
  readonly n_excluded: number
}

/** What a capture will run, known before it starts. */
export type CapturePlan = {
  readonly batches: readonly PlannedBatch[]
  /** Sum over batches. */
  readonly n_tokens: number
  readonly n_excluded: number
  /** Tokens at this index of `corpus.ids` and after are not counted. */
  readonly token_end: number
}

/** Documents that are sorted by length together. */
const STRETCH_DOCS = 512

/** Tokens of a forward pass, padding included, unless asked otherwise: at most, and at least. */
const BATCH_TOKENS = 4096
const MIN_BATCH_TOKENS = 512
/** Most tokens of a pass of a model that is read block by block. */
const STREAMED_BATCH_TOKENS = 2 ** 16
/** Activations that a pass may hold, unless the model has a budget. */
const PASS_BYTES = 2 ** 30

/**
 * Tokens that go through a model at once: as many as its memory allows for the activations of all sites, where its blocks are
 * read anew at every pass; else enough to fill the cores.
 */
export function batchTokens(
  { memory, config, width }: Pick<Model, 'memory' | 'config' | 'width'>,
  hooks: readonly HookName[],
): number {
  const kept = hooks.reduce((total, hook) => total + width(hook), 0)
  const passing = 4 * config.d_model + 2 * config.n_heads * config.d_head
  const token_bytes = 4 * (kept + passing)
  const room = activationRoom(memory) ?? PASS_BYTES
  const most = memory.isStreamed ? STREAMED_BATCH_TOKENS : BATCH_TOKENS
  return Math.max(MIN_BATCH_TOKENS, Math.min(most, Math.floor(room / token_bytes)))
}

/**
 * Bytes for the activations of a pass under the model's budget, if it has one; as many are left for those of a shard, and for
 * writing it.
 */
export function activationRoom(memory: Model['memory']): number | undefined {
  const { budget_bytes, weights_bytes, working_bytes } = memory
  if (budget_bytes === undefined) return undefined
  return Math.max(0, (budget_bytes - weights_bytes - working_bytes) / 3)
}

/**
 * Plans a capture of the first `n_tokens` countable tokens of a corpus (all where absent or fewer).
 * @param special_ids ids that are not counted.
 * @throws RangeError for sizes that are not positive integers, or if no token is countable.
 */
export function planCapture(
  corpus: TokenCorpus,
  special_ids: ReadonlySet<number>,
  { n_tokens, batch_tokens = BATCH_TOKENS }: { n_tokens?: number; batch_tokens?: number } = {},
): CapturePlan {
  checkCount('n_tokens', n_tokens ?? 1)
  checkCount('batch_tokens', batch_tokens)
  const { ids, doc_start } = corpus
  const counted = new Int32Array(countDocuments(corpus))
  const lookedAt = new Int32Array(counted.length)
  let left = n_tokens ?? Number.POSITIVE_INFINITY
  let token_end = 0
  let n_docs = 0
  while (n_docs < counted.length && left > 0) {
    let at = doc_start[n_docs]!
    for (; at < doc_start[n_docs + 1]! && left > 0; at++) {
      if (special_ids.has(ids[at]!)) continue
      counted[n_docs]!++
      left--
    }
    lookedAt[n_docs] = at - doc_start[n_docs]!
    token_end = at
    n_docs++
  }
  const batches: PlannedBatch[] = []
  const length = (doc: number) => doc_start[doc + 1]! - doc_start[doc]!
  for (let from = 0; from < n_docs; from += STRETCH_DOCS) {
    const to = Math.min(from + STRETCH_DOCS, n_docs)
    const docs = Array.from({ length: to - from }, (_, i) => from + i)
      .filter((doc) => counted[doc]! > 0)
      .sort((a, b) => length(b) - length(a) || a - b)
    for (let i = 0; i < docs.length; ) {
      const rows = Math.max(1, Math.floor(batch_tokens / length(docs[i]!)))
      const batch = docs.slice(i, i + rows)
      i += rows
      const n = sum(batch, counted)
      batches.push({ docs: batch, n_tokens: n, n_excluded: sum(batch, lookedAt) - n })
    }
  }
  const total = batches.reduce((n, batch) => n + batch.n_tokens, 0)
  if (total === 0) {
    throw new RangeError(
      `capture: none of the ${ids.length} tokens of the corpus counts: all are special tokens (BOS, EOS, padding). Give more text.`,
    )
  }
  const n_excluded = batches.reduce((n, batch) => n + batch.n_excluded, 0)
  return { batches, n_tokens: total, n_excluded, token_end }
}

/**
 * Activations of a corpus at the asked sites, one forward pass for all of them, stopped after the last one.
 *
 * Deterministic: batches come in the order of the plan, rows by document and position.
 * @param n_tokens countable tokens to take, from the front of the corpus; all where absent.
 * @param batch_tokens most tokens of a forward pass, padding included (default 4096).
 * @param first_batch batches of the plan to skip, e.g. because they are on disk already.
 * @throws RangeError as `planCapture`, or if no site is asked for.
 */
export async function* capture(
  model: Model,
  corpus: TokenCorpus,
  options: {
    hooks: readonly HookName[]
    n_tokens?: number
    batch_tokens?: number
    first_batch?: number
    signal?: AbortSignal
  },
): AsyncGenerator<CapturedBatch> {
  const { hooks, first_batch = 0, signal, ...limits } = options
  if (hooks.length === 0)
    throw new RangeError('capture: no hook sites given, expected at least one.')
  const special_ids = specialIds(model)
  const plan = planCapture(corpus, special_ids, limits)
  for (const planned of plan.batches.slice(first_batch)) {
    signal?.throwIfAborted()
    const batch = padDocuments(corpus, planned.docs, model.config.pad_token_id)
    const rows = countableRows(corpus, planned, batch.seq_len, special_ids, plan.token_end)
    const acts = new Map<HookName, Float32Array>()
    // Rows are taken as the pass goes by, so that padding and specials are never held at every site at once.
    const reads = hooks.map((hook) => ({
      hook,
      read: (found: HookActs) => void acts.set(hook, takeRows(found, rows.at)),
    }))
    await model.forward(batch, signal === undefined ? { reads } : { reads, signal })
    const { n_tokens, n_excluded } = planned
    yield { n_tokens, acts, token_index: rows.token_index, n_excluded }
  }
}

/** Ids that are out of all statistics: the tokenizer's special ids, or those of config.json where there is no tokenizer. */
export function specialIds(model: Pick<Model, 'config' | 'tokenizer'>): ReadonlySet<number> {
  return model.tokenizer?.special_ids ?? controlIds(model.config)
}

/** Documents of a corpus as one right-padded batch. */
export function padDocuments(
  { ids, doc_start }: TokenCorpus,
  docs: readonly number[],
  pad_token_id: number,
): TokenBatch {
  return padBatch(
    docs.map((doc) => ids.subarray(doc_start[doc], doc_start[doc + 1])),
    pad_token_id,
  )
}

/** Where the countable tokens lie: `at` in the padded batch, `token_index` in the corpus. */
export function countableRows(
  { ids, doc_start }: TokenCorpus,
  { docs, n_tokens }: PlannedBatch,
  seq_len: number,
  special_ids: ReadonlySet<number>,
  token_end: number,
): { at: Int32Array; token_index: Int32Array } {
  const at = new Int32Array(n_tokens)
  const token_index = new Int32Array(n_tokens)
  let n = 0
  for (const [row, doc] of docs.entries()) {
    const start = doc_start[doc]!
    const end = Math.min(doc_start[doc + 1]!, token_end)
    for (let token = start; token < end; token++) {
      if (special_ids.has(ids[token]!)) continue
      at[n] = row * seq_len + token - start
      token_index[n++] = token
    }
  }
  return { at, token_index }
}

/** Rows of a padded [n_seqs, seq_len, d] array as [n, d]; runs of neighbouring rows are copied at once. */
export function takeRows({ data, d }: HookActs, at: Int32Array): Float32Array {
  const out = new Float32Array(at.length * d)
  for (let i = 0; i < at.length; ) {
    let end = i + 1
    while (end < at.length && at[end] === at[end - 1]! + 1) end++
    out.set(data.subarray(at[i]! * d, (at[end - 1]! + 1) * d), i * d)
    i = end
  }
  return out
}

function sum(docs: readonly number[], counts: Int32Array): number {
  return docs.reduce((total, doc) => total + counts[doc]!, 0)
}

function checkCount(name: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return
  throw new RangeError(`capture: ${name} is ${value}, expected a positive integer.`)
}
