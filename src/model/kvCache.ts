/** Keys and values of earlier tokens as plain buffers that each step adds to. */

import type { KvCache, ModelConfig } from './types.ts'

/**
 * An empty cache.
 * @throws RangeError if it is asked to hold more than the model's context.
 */
export function openKvCache(
  config: ModelConfig,
  n_seqs: number,
  n_ctx: number = config.n_ctx,
): KvCache {
  if (n_seqs < 1 || n_ctx < 1 || n_ctx > config.n_ctx) {
    throw new RangeError(
      `openCache: ${n_seqs} rows of ${n_ctx} tokens, expected at least 1 row and 1 to n_ctx ${config.n_ctx} tokens.`,
    )
  }
  const size = n_seqs * config.n_kv_heads * n_ctx * config.d_head
  const buffers = (): Float32Array[] =>
    Array.from({ length: config.n_layers }, () => new Float32Array(size))
  return { n_seqs, n_ctx, length: 0, k: buffers(), v: buffers() }
}

/** A cache of some rows of another, in the order given: how finished sequences leave a batch. */
export function selectRows(cache: KvCache, rows: readonly number[]): KvCache {
  const pick = (buffer: Float32Array): Float32Array => {
    const width = buffer.length / cache.n_seqs
    const picked = new Float32Array(rows.length * width)
    rows.forEach((row, i) => {
      picked.set(buffer.subarray(row * width, (row + 1) * width), i * width)
    })
    return picked
  }
  return { ...cache, n_seqs: rows.length, k: cache.k.map(pick), v: cache.v.map(pick) }
}

/** One row of a cache as a cache of its own that shares its memory; its `length` is a copy. */
export function viewRow(cache: KvCache, row: number): KvCache {
  const view = (buffer: Float32Array): Float32Array => {
    const width = buffer.length / cache.n_seqs
    return buffer.subarray(row * width, (row + 1) * width)
  }
  return { ...cache, n_seqs: 1, k: cache.k.map(view), v: cache.v.map(view) }
}

/**
 * Writes new keys or values after the cache's tokens; `length` stays, so that all layers write at the same place.
 * @param buffer [n_seqs, n_kv_heads, n_ctx, d_head] @param added [n_seqs, seq_len, n_kv_heads * d_head]
 */
export function appendKeys(
  { n_seqs, n_ctx, length }: KvCache,
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
        const to = ((seq * n_kv_heads + head) * n_ctx + length + t) * d_head
        buffer.set(added.subarray(from, from + d_head), to)
      }
    }
  }
}
