/** Batches of token sequences: made by right padding, checked once at the model's edge. */

import type { KvCache, ModelConfig, TokenBatch } from './types.ts'

/**
 * Pads sequences on the right to the longest.
 * @param sequences each [n_tokens], at least one token.
 * @throws RangeError if there is no sequence or an empty one.
 */
export function padBatch(sequences: readonly Int32Array[], pad_token_id: number = 0): TokenBatch {
  if (sequences.length === 0) {
    throw new RangeError('padBatch: no sequence given, expected at least one.')
  }
  const lengths = Int32Array.from(sequences, (sequence) => sequence.length)
  const empty = lengths.indexOf(0)
  if (empty >= 0) {
    throw new RangeError(
      `padBatch: sequence ${empty} has no tokens, expected at least BOS. Drop empty texts before.`,
    )
  }
  const seq_len = lengths.reduce((longest, length) => Math.max(longest, length), 0)
  const ids = new Int32Array(sequences.length * seq_len).fill(pad_token_id)
  sequences.forEach((sequence, row) => {
    ids.set(sequence, row * seq_len)
  })
  return { ids, lengths, n_seqs: sequences.length, seq_len }
}

/**
 * Refuses a batch that the model cannot run.
 * @param start absolute position of column 0.
 * @throws RangeError if sizes disagree, a token id is outside the vocabulary or the context is too long.
 */
export function checkBatch(batch: TokenBatch, config: ModelConfig, start: number): void {
  const { ids, lengths, n_seqs, seq_len } = batch
  if (n_seqs < 1 || seq_len < 1 || ids.length !== n_seqs * seq_len || lengths.length !== n_seqs) {
    throw new RangeError(
      `forward: the batch says ${n_seqs} sequences of ${seq_len} tokens but has ${ids.length} ids and ${lengths.length} lengths. Make it with padBatch.`,
    )
  }
  if (start + seq_len > config.n_ctx) {
    throw new RangeError(
      `forward: ${start + seq_len} tokens, expected at most n_ctx ${config.n_ctx}. Cut the text, or split it into several sequences.`,
    )
  }
  const badLength = lengths.findIndex((length) => length < 1 || length > seq_len)
  if (badLength >= 0) {
    throw new RangeError(
      `forward: lengths[${badLength}] is ${lengths[badLength]}, expected 1 to seq_len ${seq_len}.`,
    )
  }
  const badId = ids.findIndex((id) => id < 0 || id >= config.d_vocab)
  if (badId >= 0) {
    throw new RangeError(
      `forward: token id ${ids[badId]} at row ${Math.floor(badId / seq_len)}, column ${badId % seq_len}, expected 0 to ${config.d_vocab - 1}. Was the text tokenized for another model?`,
    )
  }
}

/**
 * Refuses a batch that does not continue a cache.
 * @throws RangeError if the number of rows differs, a row is padded, or the cache is full.
 */
export function checkCache({ n_seqs, seq_len, lengths }: TokenBatch, cache: KvCache): void {
  if (n_seqs !== cache.n_seqs) {
    throw new RangeError(`forward: the batch has ${n_seqs} rows, the cache ${cache.n_seqs}.`)
  }
  if (lengths.some((length) => length !== seq_len)) {
    throw new RangeError(
      `forward: with a cache every row must have seq_len ${seq_len} tokens, found lengths ${lengths.join(', ')}. Run rows of unequal length apart.`,
    )
  }
  if (cache.length + seq_len > cache.n_ctx) {
    throw new RangeError(
      `forward: the cache holds ${cache.length} of ${cache.n_ctx} tokens, ${seq_len} more do not fit. Open a larger one.`,
    )
  }
}
