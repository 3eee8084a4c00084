/** Targets: the tokens whose prediction is measured. */

import type { TokenBatch } from '../model/index.ts'

export type Targets = {
  /** [n] Where each target's prediction is made, `row * seq_len + column` of the token before it. */
  readonly from: Int32Array
  /** [n] The target's id. */
  readonly id: Int32Array
  /** [n] The target's own position in its document, BOS being 0. */
  readonly position: Int32Array
}

/**
 * The targets among certain tokens of a batch: those with a token before them.
 *
 * Counted tokens alone are targets (no BOS, EOS, padding, chat frame); the first text token, predicted from BOS, is one.
 * @param at [m] positions `row * seq_len + column` of the counted tokens.
 */
export function targetsAmong({ ids, seq_len }: TokenBatch, at: Int32Array): Targets {
  const own = at.filter((token) => token % seq_len > 0)
  return {
    from: own.map((token) => token - 1),
    id: own.map((token) => ids[token]!),
    position: own.map((token) => token % seq_len),
  }
}
