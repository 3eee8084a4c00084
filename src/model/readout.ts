/** The end of a pass: which rows' logits and losses were asked for. */

import type { Network } from './network.ts'
import type { ForwardOptions, TokenBatch } from './types.ts'

/** @returns logits of all rows [n_seqs, seq_len, d_vocab], or of each row's last real token [n_seqs, d_vocab]. */
export async function runLogits(
  network: Network,
  { n_seqs, seq_len, lengths }: TokenBatch,
  normalized: Float32Array,
  { logits: which, signal }: ForwardOptions,
): Promise<Float32Array> {
  const { d_model } = network.config
  const rows =
    which === 'last'
      ? lengths.map((length, seq) => seq * seq_len + length - 1)
      : Int32Array.from({ length: n_seqs * seq_len }, (_, row) => row)
  return network.logits(gather(normalized, d_model, rows), signal)
}

/** @returns next-token losses [n_seqs, seq_len - 1] in nats, NaN where the target is padding; padding costs nothing. */
export async function runLoss(
  network: Network,
  { ids, n_seqs, seq_len, lengths }: TokenBatch,
  normalized: Float32Array,
  { signal }: ForwardOptions,
): Promise<Float32Array> {
  const { d_model } = network.config
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
  const found = await network.losses(gather(normalized, d_model, rows), targets, signal)
  rows.forEach((row, i) => {
    losses[row - Math.floor(row / seq_len)] = found[i]!
  })
  return losses
}

/** The chosen rows of x [m, d], side by side. */
function gather(x: Float32Array, d: number, rows: Int32Array): Float32Array {
  const gathered = new Float32Array(rows.length * d)
  rows.forEach((row, i) => {
    gathered.set(x.subarray(row * d, (row + 1) * d), i * d)
  })
  return gathered
}
