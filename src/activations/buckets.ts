/**
 * Endless shuffled batches out of buckets: what a store (`shuffle.ts`) and a stream (`stream.ts`) share.
 *
 * Members (shards of a store, documents of a text) are dealt into buckets anew in every epoch, tokens are permuted within a
 * bucket, and the next bucket is made while one is used. The stream of rows is endless and does not depend on the batch
 * size: batch i holds its rows i * batch_size .. (i + 1) * batch_size, so a batch may cross from one epoch into the next.
 */

import { setImmediate } from 'node:timers/promises'
import { type HookName, openRandom } from '../model/index.ts'
import { partOf } from './borders.ts'
import { hash32, permutation } from './random.ts'
import { gatherRows, type Rows } from './rows.ts'
import type { TrainingBatch } from './types.ts'

/** Activations that are in memory together. */
type BucketRows = {
  /** [n_parts][n_hooks] */
  readonly parts: readonly (readonly Rows[])[]
  /** [n_parts + 1]: first row of each part when they are laid one after another. */
  readonly starts: Int32Array
}

/** Where buckets come from. At most two are held: the one in use and the next. */
export type BucketSource = {
  /** Tokens of an epoch. */
  readonly n_tokens: number
  /** Rows that will be asked for, counted from the first of the endless stream: nothing past them is made ahead. */
  readonly n_rows?: number
  /** Members of each bucket of an epoch, in order. */
  deal(seed: number, epoch: number): readonly (readonly number[])[]
  /** Tokens of a bucket. */
  tokensOf(members: readonly number[]): number
  /** Makes a bucket; called for the next one when the last but one is no longer used. */
  load(members: readonly number[], signal: AbortSignal): Promise<BucketRows>
  /** Called when a bucket is no longer used. */
  leave?(bucket: BucketRows): void
  /** Called when the batches end; no `load` is under way then. */
  release(): Promise<void>
}

/** What batches are asked for with. */
export type BatchOptions = {
  readonly batch_size: number
  readonly seed: number
  readonly first_batch?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Endless batches, the next one made while the current one is used. Two sets of arrays serve in turn: a batch holds good
 * until the next one is asked for. (New arrays every time cost as much again as filling them.)
 * @throws RangeError for sizes that are not positive integers; the signal's reason; what `source.load` throws.
 */
export async function* batchesOf(
  source: BucketSource,
  hooks: readonly HookName[],
  { batch_size, seed, first_batch = 0, signal }: BatchOptions,
): AsyncGenerator<TrainingBatch> {
  if (!Number.isInteger(batch_size) || batch_size < 1 || !Number.isInteger(first_batch)) {
    throw new RangeError(
      `batches: batch_size is ${batch_size} and first_batch ${first_batch}, expected positive integers.`,
    )
  }
  const rows = rowStream(source, seed, first_batch * batch_size, signal)
  const sets = [new Map<HookName, Float32Array>(), new Map<HookName, Float32Array>()] as const
  let n_made = 0
  const next = (): Promise<TrainingBatch> => {
    const batch = setImmediate().then(() => {
      signal?.throwIfAborted()
      return takeBatch(rows, hooks, batch_size, sets[n_made++ % 2 === 0 ? 0 : 1])
    })
    batch.catch(() => {}) // reported when it is awaited
    return batch
  }
  const isWanted = (): boolean =>
    source.n_rows === undefined || (first_batch + n_made) * batch_size < source.n_rows
  let coming: Promise<TrainingBatch> | undefined
  try {
    while (true) {
      const batch = await (coming ?? next())
      coming = isWanted() ? next() : undefined
      yield batch
    }
  } finally {
    rows.stop()
    await coming?.catch(() => {})
    await rows.close()
  }
}

/** A bucket and the order of its tokens. */
type Bucket = BucketRows & {
  /** [n_tokens]: rows, numbered through all parts. */
  readonly order: Int32Array
}

/** The endless row stream as pieces of buckets. */
type RowStream = {
  /** The next rows of one bucket: at least 1, at most `most`. */
  take(most: number): Promise<{ bucket: Bucket; rows: Int32Array }>
  /** Lets the bucket that is being made go; what waits for it rejects. */
  stop(): void
  close(): Promise<void>
}

/** @param acts arrays to fill; made where they are not there yet. */
async function takeBatch(
  stream: RowStream,
  hooks: readonly HookName[],
  batch_size: number,
  acts: Map<HookName, Float32Array>,
): Promise<TrainingBatch> {
  for (let at = 0; at < batch_size; ) {
    const { bucket, rows } = await stream.take(batch_size - at)
    const part = Int32Array.from(rows, (row) => partOf(bucket.starts, row))
    const local = rows.map((row, i) => row - bucket.starts[part[i]!]!)
    for (const [i, hook] of hooks.entries()) {
      const parts = bucket.parts.map((rows_of) => rows_of[i]!)
      const { width } = parts[0]!
      const out = acts.get(hook) ?? new Float32Array(batch_size * width)
      gatherRows(parts, part, local, out.subarray(at * width, (at + rows.length) * width))
      acts.set(hook, out)
    }
    at += rows.length
  }
  return { n_tokens: batch_size, acts }
}

function rowStream(
  source: BucketSource,
  seed: number,
  first_row: number,
  signal: AbortSignal | undefined,
): RowStream {
  const ended = new AbortController()
  const until = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal])
  let epoch = Math.floor(first_row / source.n_tokens)
  let buckets = source.deal(seed, epoch)
  let index = 0
  let at = first_row % source.n_tokens
  while (at >= source.tokensOf(buckets[index]!)) at -= source.tokensOf(buckets[index++]!)

  const load = async (): Promise<Bucket> => {
    const shuffle = streamOf(epoch, index + 1)
    const rows = await source.load(buckets[index]!, until)
    return { ...rows, order: permutation(rows.starts.at(-1)!, openRandom(seed, shuffle)) }
  }
  /** Rows up to the end of the current bucket. */
  let end = first_row - at
  const advance = () => {
    index++
    if (index < buckets.length) return
    index = 0
    epoch++
    buckets = source.deal(seed, epoch)
  }
  let current: Bucket | undefined
  let following: Promise<Bucket> | undefined
  const enter = async () => {
    current = await (following ?? load())
    end += current.order.length
    advance()
    following = source.n_rows === undefined || end < source.n_rows ? load() : undefined
    following?.catch(() => {}) // reported when it is awaited
  }
  return {
    async take(most) {
      if (current === undefined) await enter()
      if (at === current!.order.length) {
        source.leave?.(current!)
        current = undefined
        at = 0
        await enter()
      }
      const bucket = current!
      const rows = bucket.order.subarray(at, at + most)
      at += rows.length
      return { bucket, rows }
    },
    stop() {
      ended.abort()
    },
    async close() {
      const next = await following?.catch(() => undefined) // nothing may be released under a read
      for (const bucket of [current, next]) if (bucket !== undefined) source.leave?.(bucket)
      current = undefined
      following = undefined
      await source.release()
    },
  }
}

/** The random stream of one shuffle: of an epoch's members (0) or of the tokens of its bucket (1 ..). */
export function streamOf(epoch: number, shuffle: number): number {
  return hash32(hash32(epoch) + shuffle)
}
