/** The end of a pass: logits and losses of the rows that were asked for, a chunk at a time. */

import type { Network } from './network.ts'
import type { Scratch } from './scratch.ts'
import type { ForwardOptions, TokenBatch } from './types.ts'

/** Logits made at a time: 16 MiB of them, enough to fill the cores and few enough to stay near them. */
const CHUNK_LOGITS = 2 ** 22

/** @returns logits of all rows [n_seqs, seq_len, d_vocab], or of each row's last real token [n_seqs, d_vocab]. */
export async function runLogits(
  network: Network,
  scratch: Scratch,
  { n_seqs, seq_len, lengths }: TokenBatch,
  normalized: Float32Array,
  { logits: which, signal }: ForwardOptions,
): Promise<Float32Array> {
  const { d_vocab } = network.config
  const rows =
    which === 'last'
      ? lengths.map((length, seq) => seq * seq_len + length - 1)
      : Int32Array.from({ length: n_seqs * seq_len }, (_, row) => row)
  const logits = new Float32Array(rows.length * d_vocab)
  for (const [from, to] of chunks(rows.length, d_vocab)) {
    const chunk = gather(scratch, normalized, network.config.d_model, rows.subarray(from, to))
    await network.head(chunk, logits.subarray(from * d_vocab, to * d_vocab))
    signal?.throwIfAborted()
  }
  return logits
}

/** @returns next-token losses [n_seqs, seq_len - 1] in nats, NaN where the target is padding; padding costs nothing. */
export async function runLoss(
  network: Network,
  scratch: Scratch,
  { ids, n_seqs, seq_len, lengths }: TokenBatch,
  normalized: Float32Array,
  { signal }: ForwardOptions,
): Promise<Float32Array> {
  const { d_model, d_vocab } = network.config
  const n_losses = lengths.reduce((sum, length) => sum + length - 1, 0)
  const rows = new Int32Array(n_losses)
  const targets = new Int32Array(n_losses)
  let at = 0
  lengths.forEach((length, seq) => {
    for (let t = 0; t + 1 < length; t++, at++) {
      rows[at] = seq * seq_len + t
      targets[at] = ids[rows[at]! + 1]!
    }
  })
  const dense = new Float32Array(n_losses)
  for (const [from, to] of chunks(n_losses, d_vocab)) {
    const chunk = gather(scratch, normalized, d_model, rows.subarray(from, to))
    const logits = scratch.take('logits', (to - from) * d_vocab)
    await network.head(chunk, logits)
    await network.loss(logits, targets.subarray(from, to), dense.subarray(from, to))
    signal?.throwIfAborted()
  }
  const losses = new Float32Array(n_seqs * (seq_len - 1)).fill(Number.NaN)
  rows.forEach((row, i) => {
    const seq = Math.floor(row / seq_len)
    losses[row - seq] = dense[i]!
  })
  return losses
}

/** Half-open ranges of at most CHUNK_LOGITS logits. */
function* chunks(n_rows: number, d_vocab: number): Iterable<[number, number]> {
  const step = Math.max(1, Math.floor(CHUNK_LOGITS / d_vocab))
  for (let from = 0; from < n_rows; from += step) yield [from, Math.min(n_rows, from + step)]
}

/** The chosen rows of x [m, d], side by side. */
function gather(scratch: Scratch, x: Float32Array, d: number, rows: Int32Array): Float32Array {
  const gathered = scratch.take('head rows', rows.length * d)
  rows.forEach((row, i) => {
    gathered.set(x.subarray(row * d, (row + 1) * d), i * d)
  })
  return gathered
}
