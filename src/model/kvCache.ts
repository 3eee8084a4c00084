/** Keys and values of earlier tokens as plain buffers that each step adds to, and that grow as they fill. */

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
  const empty = (): Float32Array[] =>
    Array.from({ length: config.n_layers }, () => new Float32Array(0))
  return { n_seqs, n_ctx, capacity: 0, length: 0, k: empty(), v: empty() }
}

/** Room at first, and the least that is added. */
const MIN_TOKENS = 64

/**
 * Makes room for `n_tokens` tokens in every layer: at least twice what there was, so that a long text copies little.
 * Views made before see the old buffers.
 */
export function reserveKeys(
  cache: KvCache,
  n_tokens: number,
  { n_kv_heads, d_head }: ModelConfig,
): void {
  const { capacity, n_ctx, n_seqs } = cache
  if (n_tokens <= capacity) return
  const grown = Math.min(n_ctx, Math.max(n_tokens, 2 * capacity, MIN_TOKENS))
  const widen = (buffer: Float32Array): Float32Array => {
    const wider = new Float32Array(n_seqs * n_kv_heads * grown * d_head)
    for (let row = 0; row < n_seqs * n_kv_heads; row++)
      wider.set(
        buffer.subarray(row * capacity * d_head, (row + 1) * capacity * d_head),
        row * grown * d_head,
      )
    return wider
  }
  cache.k = cache.k.map(widen)
  cache.v = cache.v.map(widen)
  cache.capacity = grown
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

/** Rows `first` to `first + n` of a cache as one of their own that shares its memory; its `length` is a copy. */
export function viewRows(cache: KvCache, first: number, n: number): KvCache {
  const view = (buffer: Float32Array): Float32Array => {
    const width = buffer.length / cache.n_seqs
    return buffer.subarray(first * width, (first + n) * width)
  }
  return { ...cache, n_seqs: n, k: cache.k.map(view), v: cache.v.map(view) }
}

/**
 * Writes new keys or values after the cache's tokens; `length` stays, so that all layers write at the same place.
 * @param buffer [n_seqs, n_kv_heads, n_ctx, d_head] @param added [n_seqs, seq_len, n_kv_heads * d_head]
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
