/** Loss recovered: the splice's loss on a scale from deleting the site (0) to leaving it alone (1). */

/**
 * `ce_loss_recovered = (CE_zero - CE_spliced) / (CE_zero - CE_plain)`, all three over the same targets, `CE_zero` with the site's
 * activations set to zero at every counted token.
 *
 * Near 1 for almost any SAE, because deleting a residual stream costs so much: compare by `delta_ce_loss` instead.
 * @param losses mean losses in nats.
 * @returns `undefined` where deleting the site costs nothing.
 * Source: SAELens `ce_loss_score`, dictionary_learning `frac_recovered`.
 */
export function ceLossRecovered(losses: {
  readonly zero: number
  readonly spliced: number
  readonly plain: number
}): number | undefined {
  const cost = losses.zero - losses.plain
  return cost === 0 ? undefined : (losses.zero - losses.spliced) / cost
}
