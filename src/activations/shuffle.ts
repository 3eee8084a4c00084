/**
 * Shuffled batches from shards.
 *
 * What the shuffle guarantees. An epoch gives every token once. Where all shards fit into `memory_bytes`, each epoch is a
 * uniform permutation of all tokens. Where they do not, shards are put in random order and dealt into buckets of at most
 * half the budget; tokens are permuted within a bucket, and the next bucket is read while one is used. A bucket then mixes
 * shards from anywhere in the text, but a batch mixes tokens of two buckets only at their border. (Gemma Scope shuffled in
 * buckets of about 10^6 tokens: arXiv:2408.05147, section 3.3.)
 */

import { type HookName, openRandom } from '../model/index.ts'
import { type BatchOptions, type BucketSource, batchesOf, streamOf } from './buckets.ts'
import { permutation } from './random.ts'
import type { Rows } from './rows.ts'
import type { TrainingBatch } from './types.ts'

/** A shard to be read: the rows of every hook, in the order of the hooks. */
export type ShardReader = {
  readonly n_tokens: number
  /** Of all hooks together. */
  readonly size_bytes: number
  /** New arrays at every call: they are the caller's own. */
  read(): Promise<Rows[]>
}

/**
 * Endless batches of a store's shards: see `batchesOf`.
 * @param first_batch where to start; costs no more than starting at 0.
 */
export function shuffledBatches(
  shards: readonly ShardReader[],
  hooks: readonly HookName[],
  { memory_bytes, ...options }: BatchOptions & { readonly memory_bytes: number },
): AsyncGenerator<TrainingBatch> {
  return batchesOf(shardBuckets(shards, memory_bytes), hooks, options)
}

function shardBuckets(shards: readonly ShardReader[], memory_bytes: number): BucketSource {
  const { bucket_bytes, read, leave, release } = shardReading(shards, memory_bytes)
  return {
    n_tokens: shards.reduce((n, shard) => n + shard.n_tokens, 0),
    deal: (seed, epoch) => dealShards(shards, seed, epoch, bucket_bytes),
    tokensOf: (members) => members.reduce((n, shard) => n + shards[shard]!.n_tokens, 0),
    async load(members) {
      const starts = new Int32Array(members.length + 1)
      for (const [i, shard] of members.entries())
        starts[i + 1] = starts[i]! + shards[shard]!.n_tokens
      return { parts: await Promise.all(members.map(read)), starts }
    },
    leave: ({ parts }) => leave(parts),
    release,
  }
}

/** Keeps shards in memory where all of them fit; otherwise reads them again for every bucket. */
function shardReading(shards: readonly ShardReader[], memory_bytes: number) {
  const total_bytes = shards.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  if (total_bytes > memory_bytes) {
    const read = (i: number) => shards[i]!.read()
    return { bucket_bytes: memory_bytes / 2, read, leave: giveBack, release: async () => {} }
  }
  const held = new Map<number, Promise<Rows[]>>()
  const read = (i: number) => {
    const rows = held.get(i) ?? shards[i]!.read()
    held.set(i, rows)
    return rows
  }
  const release = async () => {
    for (const loaded of await Promise.allSettled(held.values()))
      if (loaded.status === 'fulfilled') giveBack([loaded.value])
    held.clear()
  }
  return { bucket_bytes: total_bytes, read, leave: () => {}, release }
}

/** Gives memory back at once: it is most of what a run takes, and nothing tells the garbage collector to hurry. */
function giveBack(parts: readonly (readonly Rows[])[]): void {
  for (const rows of parts) for (const { data } of rows) (data.buffer as ArrayBuffer).transfer(0)
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
