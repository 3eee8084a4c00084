/** The one colour scale of the page: how much accent a value gets. */

/** The most accent ever mixed in, so that text on it keeps a contrast of 4.5 in both themes. */
export const fullTint = 64

/**
 * Share of accent in per cent for an activation: 0 where off, at least 6 where on (so that "on" is always
 * visible), rising as value^1.25 to `fullTint` at the maximum and above.
 */
export function tint(value: number, max: number): number {
  if (!(value > 0) || !(max > 0)) return 0
  const share = Math.min(1, value / max) ** 1.25
  return Math.round((6 + (fullTint - 6) * share) * 10) / 10
}

/** Height of the loss underline in pixels, 0 to 4: a nat is half a pixel, and 8 nats the ceiling. */
export function lossHeight(loss_nats: number | null | undefined): number {
  if (loss_nats === null || loss_nats === undefined || !(loss_nats > 0)) return 0
  return Math.round(Math.min(8, loss_nats) * 5) / 10
}
