/** Keys and values of earlier tokens as plain buffers that each step adds to, and that grow as they fill. */

import type { Team } from './kernels/index.ts'
import type { KvCache, KvLayer, ModelConfig } from './types.ts'

/**
 * An empty cache.
 * @throws RangeError if it is asked to hold more than the model's context.
 */
export function openKvCache(
  config: ModelConfig,
  n_seqs: number,
  n_ctx: number = config.n_ctx,
  room: KvRoom = HEAP,
): KvCache {
  if (n_seqs < 1 || n_ctx < 1 || n_ctx > config.n_ctx) {
    throw new RangeError(
      `openCache: ${n_seqs} rows of ${n_ctx} tokens, expected at least 1 row and 1 to n_ctx ${config.n_ctx} tokens.`,
    )
  }
  return makeCache(n_seqs, n_ctx, 0, 0, Array.from({ length: config.n_layers }, NONE), room)
}

/** Room at first, and the least that is added. */
const MIN_TOKENS = 64
const NONE = (): KvLayer => ({ k: new Float32Array(0), v: new Float32Array(0) })

/** Where the buffers of caches lie. */
export type KvRoom = {
  /** Two buffers of `n` numbers, with whatever in them. */
  open(n: number): KvLayer
  close(layer: KvLayer): void
}

/** The JavaScript heap, which the garbage collector clears. */
export const HEAP: KvRoom = {
  open: (n) => ({ k: new Float32Array(n), v: new Float32Array(n) }),
  close() {},
}

/** Memory that the threads of a team share. @throws RangeError from `open` if there is no room. */
export function teamRoom(team: Team): KvRoom {
  return {
    open(n) {
      const region = team.openRegion(2 * n)
      return { k: region.data.subarray(0, n), v: region.data.subarray(n), region }
    },
    close: ({ region }) => region && team.closeRegion(region),
  }
}

function makeCache(
  n_seqs: number,
  n_ctx: number,
  capacity: number,
  length: number,
  layers: readonly KvLayer[],
  room: KvRoom,
): KvCache {
  return {
    ...{ n_seqs, n_ctx, capacity, length, layers, room },
    close() {
      this.layers.forEach(room.close)
      this.layers = this.layers.map(NONE)
      this.capacity = 0
      this.length = 0
    },
  }
}

/**
 * Makes room for `n_tokens` tokens in every layer: at least twice what there was, so that a long text copies little.
 * Views made before see the old buffers.
 */
export function reserveKeys(
  cache: KvCache,
  n_tokens: number,
  { n_kv_heads, d_head }: ModelConfig,
): void {
  const { capacity, n_ctx, n_seqs, room } = cache
  if (n_tokens <= capacity) return
  const grown = Math.min(n_ctx, Math.max(n_tokens, 2 * capacity, MIN_TOKENS))
  const rows = n_seqs * n_kv_heads
  const copy = (from: Float32Array, to: Float32Array): void => {
    for (let row = 0; row < rows; row++)
      to.set(
        from.subarray(row * capacity * d_head, (row + 1) * capacity * d_head),
        row * grown * d_head,
      )
  }
  cache.layers = cache.layers.map((layer) => {
    const wider = room.open(rows * grown * d_head)
    copy(layer.k, wider.k)
    copy(layer.v, wider.v)
    room.close(layer)
    return wider
  })
  cache.capacity = grown
}

/** A cache of some rows of another, in the order given: how finished sequences leave a batch. The other one stays. */
export function selectRows(cache: KvCache, rows: readonly number[]): KvCache {
  const { n_seqs, n_ctx, capacity, length, room } = cache
  const layers = cache.layers.map((layer) => {
    const width = layer.k.length / n_seqs
    const picked = room.open(rows.length * width)
    for (const [i, row] of rows.entries()) {
      picked.k.set(layer.k.subarray(row * width, (row + 1) * width), i * width)
      picked.v.set(layer.v.subarray(row * width, (row + 1) * width), i * width)
    }
    return picked
  })
  return makeCache(rows.length, n_ctx, capacity, length, layers, room)
}

/** Rows `first` to `first + n` of a cache as one of their own that shares its memory; its `length` is a copy. */
export function viewRows(cache: KvCache, first: number, n: number): KvCache {
  const view = (buffer: Float32Array): Float32Array => {
    const width = buffer.length / cache.n_seqs
    return buffer.subarray(first * width, (first + n) * width)
  }
  const layers = cache.layers.map(({ k, v }) => ({ k: view(k), v: view(v) }))
  return makeCache(n, cache.n_ctx, cache.capacity, cache.length, layers, HEAP)
}

/**
 * Writes new keys or values after the cache's tokens; `length` stays, so that all layers write at the same place.
 * @param buffer [n_seqs, n_kv_heads, capacity, d_head] @param added [n_seqs, seq_len, n_kv_heads * d_head]
 */
export function appendKeys(
  { n_seqs, capacity, length }: KvCache,
  buffer: Float32Array,
  added: Float32Array,
  n_kv_heads: number,
  d_head: number,
): void {
  const seq_len = added.length / (n_seqs * n_kv_heads * d_head)
  let from = 0
  for (let seq = 0; seq < n_seqs; seq++) {
    for (let t = 0; t < seq_len; t++) {
      for (let head = 0; head < n_kv_heads; head++, from += d_head) {
        const to = ((seq * n_kv_heads + head) * capacity + length + t) * d_head
        buffer.set(added.subarray(from, from + d_head), to)
      }
    }
  }
}
