/** Cross-entropy of the model's next-token predictions, plain or spliced. */

/** Losses summed over targets. */
export type LossSum = {
  /** In nats. */
  sum: number
  n_targets: number
}

/**
 * Adds the losses of predicting certain tokens.
 *
 * A token counts as a target where it is real and not special (no BOS, EOS, padding, chat frame); the first text token,
 * predicted from BOS alone, does count. A token at position 0 has nothing to be predicted from and is passed over.
 * @param next_token_loss [n_seqs, seq_len - 1], as `Model.forward` returns it.
 * @param at positions `row * seq_len + column` of the targets.
 */
export function addLosses(
  total: LossSum,
  next_token_loss: Float32Array,
  at: Int32Array,
  seq_len: number,
): void {
  for (const position of at) {
    const column = position % seq_len
    if (column === 0) continue
    const row = (position - column) / seq_len
    total.sum += next_token_loss[row * (seq_len - 1) + column - 1]!
    total.n_targets++
  }
}

/** Mean loss in nats, `undefined` where there was no target. */
export function meanLoss({ sum, n_targets }: LossSum): number | undefined {
  return n_targets === 0 ? undefined : sum / n_targets
}
