/** The end of a pass: logits and losses of the rows that were asked for, a chunk at a time. */

import type { Network } from './network.ts'
import type { ForwardOptions, TokenBatch } from './types.ts'

/** Logits made at a time: 16 MiB of them, enough to fill the cores and few enough to stay near them. */
const CHUNK_LOGITS = 2 ** 22

/** @returns logits of all rows [n_seqs, seq_len, d_vocab], or of each row's last real token [n_seqs, d_vocab]. */
export async function runLogits(
  network: Network,
  { n_seqs, seq_len, lengths }: TokenBatch,
  normalized: Float32Array,
  { logits: which, signal }: ForwardOptions,
): Promise<Float32Array> {
  const { d_model, d_vocab } = network.config
  const rows =
    which === 'last'
      ? lengths.map((length, seq) => seq * seq_len + length - 1)
      : Int32Array.from({ length: n_seqs * seq_len }, (_, row) => row)
  const ranges = [...chunks(rows.length, d_vocab)]
  if (ranges.length === 1) return network.logits(gather(normalized, d_model, rows))
  const logits = new Float32Array(rows.length * d_vocab)
  for (const [from, to] of ranges) {
    const chunk = await network.logits(gather(normalized, d_model, rows.subarray(from, to)))
    logits.set(chunk, from * d_vocab)
    signal?.throwIfAborted()
  }
  return logits
}

/** @returns next-token losses [n_seqs, seq_len - 1] in nats, NaN where the target is padding; padding costs nothing. */
export async function runLoss(
  network: Network,
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
  const losses = new Float32Array(n_seqs * (seq_len - 1)).fill(Number.NaN)
  for (const [from, to] of chunks(n_losses, d_vocab)) {
    const own = rows.subarray(from, to)
    const chunk = await network.losses(gather(normalized, d_model, own), targets.slice(from, to))
    own.forEach((row, i) => {
      losses[row - Math.floor(row / seq_len)] = chunk[i]!
    })
    signal?.throwIfAborted()
  }
  return losses
}

/** Half-open ranges of at most CHUNK_LOGITS logits. */
function* chunks(n_rows: number, d_vocab: number): Iterable<[number, number]> {
  const step = Math.max(1, Math.floor(CHUNK_LOGITS / d_vocab))
  for (let from = 0; from < n_rows; from += step) yield [from, Math.min(n_rows, from + step)]
}

/** The chosen rows of x [m, d], side by side. */
function gather(x: Float32Array, d: number, rows: Int32Array): Float32Array {
  const gathered = new Float32Array(rows.length * d)
  rows.forEach((row, i) => {
    gathered.set(x.subarray(row * d, (row + 1) * d), i * d)
  })
  return gathered
}
