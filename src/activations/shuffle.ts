/**
 * Shuffled batches from shards.
 *
 * What the shuffle guarantees. An epoch gives every token once. Where all shards fit into `memory_bytes`, each epoch is a
 * uniform permutation of all tokens. Where they do not, shards are put in random order and dealt into buckets of at most
 * half the budget; tokens are permuted within a bucket, and the next bucket is read while one is used. A bucket then mixes
 * shards from anywhere in the text, but a batch mixes tokens of two buckets only at their border. (Gemma Scope shuffled in
 * buckets of about 10^6 tokens: arXiv:2408.05147, section 3.3.)
 *
 * The stream of rows is endless and does not depend on the batch size: batch i holds its rows
 * i * batch_size .. (i + 1) * batch_size, so a batch may cross from one epoch into the next.
 */

import { setImmediate } from 'node:timers/promises'
import { type HookName, openRandom } from '../model/index.ts'
import { partOf } from './borders.ts'
import { hash32, permutation } from './random.ts'
import { gatherRows, type Rows } from './rows.ts'
import type { TrainingBatch } from './types.ts'

/** A shard to be read: the rows of every hook, in the order of the hooks. */
export type ShardReader = {
  readonly n_tokens: number
  /** Of all hooks together. */
  readonly size_bytes: number
  /** New arrays at every call: they are the caller's own. */
  read(): Promise<Rows[]>
}

/** Shards that are in memory together, and the order of their tokens. */
type Bucket = {
  /** [n_shards][n_hooks] */
  readonly shards: readonly Rows[][]
  /** [n_shards + 1]: first row of each shard when they are laid one after another. */
  readonly starts: Int32Array
  /** [n_tokens]: rows, in that numbering. */
  readonly order: Int32Array
}

/**
 * Endless batches, the next one made while the current one is used. Two sets of arrays serve in turn: a batch holds good
 * until the next one is asked for. (New arrays every time cost as much again as filling them.)
 * @param first_batch where to start; costs no more than starting at 0.
 * @throws RangeError for sizes that are not positive integers.
 */
export async function* shuffledBatches(
  shards: readonly ShardReader[],
  hooks: readonly HookName[],
  options: {
    batch_size: number
    seed: number
    first_batch?: number
    memory_bytes: number
    signal?: AbortSignal
  },
): AsyncGenerator<TrainingBatch> {
  const { batch_size, seed, first_batch = 0, memory_bytes, signal } = options
  if (!Number.isInteger(batch_size) || batch_size < 1 || !Number.isInteger(first_batch)) {
    throw new RangeError(
      `batches: batch_size is ${batch_size} and first_batch ${first_batch}, expected positive integers.`,
    )
  }
  const rows = bucketStream(shards, seed, first_batch * batch_size, memory_bytes)
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
  let coming = next()
  try {
    while (true) {
      const batch = await coming
      coming = next()
      yield batch
    }
  } finally {
    await coming.catch(() => {})
    await rows.close()
  }
}

/** The endless row stream as pieces of buckets. */
type RowStream = {
  /** The next rows of one bucket: at least 1, at most `most`. */
  take(most: number): Promise<{ bucket: Bucket; rows: Int32Array }>
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
      const parts = bucket.shards.map((shard) => shard[i]!)
      const { width } = parts[0]!
      const out = acts.get(hook) ?? new Float32Array(batch_size * width)
      gatherRows(parts, part, local, out.subarray(at * width, (at + rows.length) * width))
      acts.set(hook, out)
    }
    at += rows.length
  }
  return { n_tokens: batch_size, acts }
}

function bucketStream(
  shards: readonly ShardReader[],
  seed: number,
  first_row: number,
  memory_bytes: number,
): RowStream {
  const n_tokens = shards.reduce((n, shard) => n + shard.n_tokens, 0)
  const reader = shardCache(shards, memory_bytes)
  let epoch = Math.floor(first_row / n_tokens)
  let buckets = dealShards(shards, seed, epoch, reader.bucket_bytes)
  let index = 0
  let at = first_row % n_tokens
  while (at >= tokensOf(shards, buckets[index]!)) at -= tokensOf(shards, buckets[index++]!)

  const load = async (): Promise<Bucket> => {
    const members = buckets[index]!
    const starts = new Int32Array(members.length + 1)
    for (const [i, shard] of members.entries()) starts[i + 1] = starts[i]! + shards[shard]!.n_tokens
    const order = permutation(starts.at(-1)!, openRandom(seed, streamOf(epoch, index + 1)))
    return { shards: await Promise.all(members.map(reader.read)), starts, order }
  }
  const advance = () => {
    index++
    if (index < buckets.length) return
    index = 0
    epoch++
    buckets = dealShards(shards, seed, epoch, reader.bucket_bytes)
  }
  let current: Bucket | undefined
  let following: Promise<Bucket> | undefined
  const enter = async () => {
    current = await (following ?? load())
    advance()
    following = load()
    following.catch(() => {}) // reported when it is awaited
  }
  return {
    async take(most) {
      if (current === undefined) await enter()
      if (at === current!.order.length) {
        current = undefined
        at = 0
        await enter()
      }
      const bucket = current!
      const rows = bucket.order.subarray(at, at + most)
      at += rows.length
      return { bucket, rows }
    },
    async close() {
      await following?.catch(() => {}) // the file must not be closed under a read
      current = undefined
      following = undefined
      await reader.release()
    },
  }
}

/** Keeps shards in memory where all of them fit; otherwise reads them again for every bucket. */
function shardCache(shards: readonly ShardReader[], memory_bytes: number) {
  const total_bytes = shards.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  if (total_bytes > memory_bytes) {
    const read = (i: number) => shards[i]!.read()
    return { bucket_bytes: memory_bytes / 2, read, release: async () => {} }
  }
  const held = new Map<number, Promise<Rows[]>>()
  const read = (i: number) => {
    const rows = held.get(i) ?? shards[i]!.read()
    held.set(i, rows)
    return rows
  }
  /** Gives the memory back at once: it is most of what a run takes, and nothing tells the garbage collector to hurry. */
  const release = async () => {
    for (const loaded of await Promise.allSettled(held.values()))
      if (loaded.status === 'fulfilled')
        for (const { data } of loaded.value) (data.buffer as ArrayBuffer).transfer(0)
    held.clear()
  }
  return { bucket_bytes: total_bytes, read, release }
}

/** Shards in the random order of an epoch, dealt into buckets; a shard larger than a bucket is one of its own. */
function dealShards(
  shards: readonly ShardReader[],
  seed: number,
  epoch: number,
  bucket_bytes: number,
): number[][] {
  const buckets: number[][] = []
  let room = 0
  for (const shard of permutation(shards.length, openRandom(seed, streamOf(epoch, 0)))) {
    const { size_bytes } = shards[shard]!
    if (size_bytes > room) {
      buckets.push([])
      room = bucket_bytes
    }
    buckets.at(-1)!.push(shard)
    room -= size_bytes
  }
  return buckets
}

function tokensOf(shards: readonly ShardReader[], bucket: readonly number[]): number {
  return bucket.reduce((n, shard) => n + shards[shard]!.n_tokens, 0)
}

/** The random stream of one shuffle: of an epoch's shards (0) or of the tokens of its bucket (1 ..). */
function streamOf(epoch: number, shuffle: number): number {
  return hash32(hash32(epoch) + shuffle)
}
