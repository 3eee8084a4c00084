/**
 * A source of batches that keeps nothing on disk: activations are captured while they are used.
 *
 * What the shuffle guarantees. An epoch gives every token once. Documents are put in random order and dealt into buckets of
 * about equal size, at most `bucket_tokens`; a thread with a model of its own captures a bucket into shared memory while the
 * one before is used, and then waits. Tokens are permuted within a bucket, so a batch mixes tokens of two buckets only at
 * their border. What lies in a bucket depends on the seed, the epoch and `bucket_tokens` alone: whoever starts in the middle
 * captures that bucket again and gets the same bytes.
 */

import { createHash } from 'node:crypto'
import { DTYPE_BYTES, type FloatDtype } from '../formats/index.ts'
import { type HookName, type Model, openRandom, type Precision } from '../model/index.ts'
import { type BucketSource, batchesOf, streamOf } from './buckets.ts'
import { specialIds } from './capture.ts'
import { CaptureThread } from './captureThread.ts'
import { permutation } from './random.ts'
import { rowsOf } from './rows.ts'
import type { BatchSource, TokenCorpus } from './types.ts'

/** Tokens that the norms are measured on: those of documents drawn at random until they hold so many, or all. */
export const NORM_TOKENS = 100_000

/** Tokens of a bucket unless asked otherwise: as in Gemma Scope (arXiv:2408.05147, section 3.3). */
const BUCKET_TOKENS = 1_000_000

/** Buckets in memory: the one in use and the next. */
export const STREAM_BUCKETS = 2

export type StreamOptions = {
  readonly hooks: readonly HookName[]
  /** What the capturing thread opens the model by: a bundled name or a path. */
  readonly model_path: string
  /** How it opens them (default f32). */
  readonly weights?: Precision
  /** Most tokens of a bucket (default a million); at least twice the longest document. */
  readonly bucket_tokens?: number
  /** Of the activations in buckets (default BF16). */
  readonly dtype?: FloatDtype
  /** Most tokens of a forward pass, padding included (default 4096). */
  readonly batch_tokens?: number
  /** Threads inside one operator of the capturing model (default 1). */
  readonly threads?: number
  /** Rows that will be asked for, counted from the first of the stream: no bucket past them is captured ahead. */
  readonly n_rows?: number
  /** Norms of these sites from an earlier opening of the same stream (`hash`), which then need not be measured. */
  readonly norms?: { readonly hash: string; readonly by_hook: Readonly<Record<string, number>> }
  /** Ends the opening. */
  readonly signal?: AbortSignal
  /** Told while a bucket or the norms are captured. */
  readonly onCapture?: (event: StreamEvent) => void
}

/** How far the capture of a bucket (or, before all of them, of the sample for the norms) is. */
export type StreamEvent = {
  readonly what: 'norms' | 'bucket'
  readonly n_tokens: number
  readonly of_tokens: number
}

/** An open stream. One reader at a time. */
export type ActivationStream = BatchSource & {
  readonly norms: { readonly hash: string; readonly by_hook: Readonly<Record<string, number>> }
  close(): Promise<void>
}

/**
 * Opens a stream over all tokens of a corpus: starts the capturing thread and measures the sites' norms.
 * @param model whose name, widths and special ids count; it is not run, and may be closed.
 * @throws RangeError for sites that the model lacks, a corpus without countable tokens, or buckets that are too small; what
 *   the capture throws.
 */
export async function openStream(
  model: Pick<Model, 'hash' | 'config' | 'tokenizer' | 'width' | 'hooks'>,
  corpus: TokenCorpus,
  options: StreamOptions,
): Promise<ActivationStream> {
  const { hooks, dtype = 'BF16', bucket_tokens = BUCKET_TOKENS, batch_tokens = 4096 } = options
  const { threads = 1, weights = 'f32', model_path, signal, onCapture = () => {} } = options
  if (hooks.length === 0) throw new RangeError('openStream: no hook sites given.')
  const missing = hooks.find((hook) => !model.hooks.includes(hook))
  if (missing !== undefined)
    throw new RangeError(`openStream: the model has no site ${missing}; it has ${model.hooks}.`)
  const counts = countableTokens(corpus, specialIds(model))
  const dealing = dealer(counts, bucket_tokens)
  const { n_tokens } = dealing
  const widths = new Map(hooks.map((hook) => [hook, model.width(hook)] as const))
  const width = (hook: HookName): number => {
    const found = widths.get(hook)
    if (found !== undefined) return found
    throw new RangeError(`stream: has no activations of ${hook}; it has ${hooks.join(', ')}.`)
  }
  const sites = hooks.map((hook) => [hook, width(hook)])
  const content = { model: model.hash, corpus: corpus.hash, sites, dtype, bucket_tokens }
  const precision = weights === 'f32' ? {} : { weights }
  const hash = createHash('sha256')
    .update(JSON.stringify({ ...content, ...precision, batch_tokens, norm_tokens: NORM_TOKENS }))
    .digest('hex')

  const slots = Array.from({ length: Math.min(dealing.n_buckets, STREAM_BUCKETS) }, () =>
    hooks.map((hook) => new SharedArrayBuffer(dealing.largest * width(hook) * DTYPE_BYTES[dtype])),
  )
  const thread = new CaptureThread({
    model: model_path,
    model_hash: model.hash,
    weights,
    threads,
    corpus: { ...corpus, ids: shared(corpus.ids), doc_start: shared(corpus.doc_start) },
    hooks,
    dtype,
    batch_tokens,
    slots,
  })
  const capturing = (
    what: StreamEvent['what'],
    docs: Int32Array,
    until: AbortSignal | undefined,
    slot?: number,
  ): Promise<readonly number[]> => {
    const of_tokens = docs.reduce((n, doc) => n + counts[doc]!, 0)
    onCapture({ what, n_tokens: 0, of_tokens })
    return thread.run(slot === undefined ? { docs } : { docs, slot }, {
      ...(until === undefined ? {} : { signal: until }),
      onProgress: (done) => onCapture({ what, n_tokens: done, of_tokens }),
    })
  }
  const measureNorms = async (): Promise<Record<string, number>> => {
    const docs = normDocuments(counts)
    const n = docs.reduce((sum, doc) => sum + counts[doc]!, 0)
    const squares = await capturing('norms', docs, signal)
    return Object.fromEntries(hooks.map((hook, i) => [hook, Math.sqrt(squares[i]! / n)]))
  }
  let by_hook: Readonly<Record<string, number>>
  try {
    by_hook = options.norms?.hash === hash ? options.norms.by_hook : await measureNorms()
  } catch (error) {
    await thread.close()
    throw error
  }

  let next_slot = 0
  /** A text that fits into one bucket is captured once. */
  let isWhole = false
  let isRead = false
  const buckets: BucketSource = {
    ...dealing,
    ...(options.n_rows === undefined ? {} : { n_rows: options.n_rows }),
    async load(docs, until) {
      const slot = next_slot
      next_slot = (slot + 1) % slots.length
      if (!isWhole) await capturing('bucket', Int32Array.from(docs), until, slot)
      isWhole = slots.length === 1
      const n = dealing.tokensOf(docs)
      const rows = hooks.map((hook, i) => {
        const bytes = n * width(hook) * DTYPE_BYTES[dtype]
        return rowsOf(new Uint8Array(slots[slot]![i]!, 0, bytes), dtype, width(hook))
      })
      return { parts: [rows], starts: Int32Array.of(0, n) }
    },
    async release() {},
  }
  return {
    hooks,
    width,
    norm(hook) {
      width(hook)
      return by_hook[hook]!
    },
    norms: { hash, by_hook },
    n_tokens,
    hash,
    async *batches(asked) {
      if (isRead) throw new RangeError('stream: is being read already; open another one.')
      isRead = true
      try {
        yield* batchesOf(buckets, hooks, asked)
      } finally {
        isRead = false
      }
    },
    close: () => thread.close(),
  }
}

/** Countable tokens of each document. */
function countableTokens(
  { ids, doc_start }: TokenCorpus,
  special_ids: ReadonlySet<number>,
): Int32Array {
  const counts = new Int32Array(doc_start.length - 1)
  for (let doc = 0; doc < counts.length; doc++)
    for (let at = doc_start[doc]!; at < doc_start[doc + 1]!; at++)
      if (!special_ids.has(ids[at]!)) counts[doc]!++
  return counts
}

/**
 * Documents as members of buckets. With n buckets an epoch's order of documents is cut where a further nth of its tokens is
 * full, so that buckets differ by a document at most.
 * @param counts [n_docs] countable tokens.
 */
function dealer(
  counts: Int32Array,
  bucket_tokens: number,
): Pick<BucketSource, 'n_tokens' | 'deal' | 'tokensOf'> & {
  readonly n_buckets: number
  /** Most tokens that a bucket can have. */
  readonly largest: number
} {
  const docs = Int32Array.from(counts.keys()).filter((doc) => counts[doc]! > 0)
  const tokensOf = (members: Iterable<number>): number => {
    let n = 0
    for (const doc of members) n += counts[doc]!
    return n
  }
  const n_tokens = tokensOf(docs)
  const longest = counts.reduce((most, n) => Math.max(most, n), 0)
  if (n_tokens === 0)
    throw new RangeError('stream: no token of the corpus counts: all are special. Give more text.')
  if (!Number.isInteger(bucket_tokens) || (bucket_tokens < n_tokens && bucket_tokens < 2 * longest))
    throw new RangeError(
      `stream: bucket_tokens is ${bucket_tokens}, expected a whole number of at least ${2 * longest}: twice the longest document.`,
    )
  const n_buckets = n_tokens <= bucket_tokens ? 1 : Math.ceil(n_tokens / (bucket_tokens - longest))
  return {
    n_tokens,
    n_buckets,
    largest: Math.min(n_tokens, Math.ceil(n_tokens / n_buckets) + longest),
    tokensOf,
    deal(seed, epoch) {
      const buckets: number[][] = [[]]
      let n = 0
      for (const i of permutation(docs.length, openRandom(seed, streamOf(epoch, 0)))) {
        if (n * n_buckets >= buckets.length * n_tokens) buckets.push([])
        buckets.at(-1)!.push(docs[i]!)
        n += counts[docs[i]!]!
      }
      return buckets
    },
  }
}

/** Documents drawn at random until they hold enough tokens for the norms, or all. */
function normDocuments(counts: Int32Array): Int32Array {
  const drawn: number[] = []
  let n_tokens = 0
  for (const doc of permutation(counts.length, openRandom(0))) {
    if (n_tokens >= NORM_TOKENS) break
    if (counts[doc] === 0) continue
    drawn.push(doc)
    n_tokens += counts[doc]!
  }
  return Int32Array.from(drawn)
}

function shared(values: Int32Array): Int32Array<SharedArrayBuffer> {
  const copy = new Int32Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}
