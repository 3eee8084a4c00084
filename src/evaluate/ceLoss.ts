/** Cross-entropy of the model's next-token predictions, plain or spliced; and means over targets in general. */

/** A sum over targets. */
export type LossSum = {
  /** In nats. */
  sum: number
  n_targets: number
}

/** A sum over no targets yet. */
export const lossSum = (): LossSum => ({ sum: 0, n_targets: 0 })

/** Adds what was measured at targets, one number each. */
export function addLosses(total: LossSum, losses: Float32Array): void {
  for (const loss of losses) total.sum += loss
  total.n_targets += losses.length
}

/** Mean in nats, `undefined` where there was no target. */
export function meanLoss({ sum, n_targets }: LossSum): number | undefined {
  return n_targets === 0 ? undefined : sum / n_targets
}

/** The sum over the targets of several sums. */
export function mergeLosses(parts: readonly (LossSum | undefined)[]): LossSum {
  const all = lossSum()
  for (const part of parts) {
    all.sum += part?.sum ?? 0
    all.n_targets += part?.n_targets ?? 0
  }
  return all
}
