/**
 * When a self-test's numbers are as they should be. The bounds are wide: a release's figures come from other text than the
 * built-in one, and plain prose alone moves L0 by a fifth. What a wrong site or scale does is larger than that.
 */

export const BADGES = ['green', 'amber', 'red'] as const

/** `green`: as claimed; `amber`: off, look at it; `red`: this SAE does not describe this site. */
export type Badge = (typeof BADGES)[number]

/** What a release says of an SAE; absent where it says nothing. */
export type Claims = {
  readonly l0?: number
  readonly fvu?: number
  /** In nats. */
  readonly delta_ce_loss?: number
}

/** What was measured; a number that could not be computed is absent. */
export type Measured = {
  readonly l0: number
  readonly fvu?: number
  readonly delta_ce_loss?: number
}

/** Up to which value a number is green, and up to which it is amber. */
type Bounds = { readonly green: number; readonly amber: number }

/** Of `max(l0 / claim, claim / l0)`. */
const L0_RATIO: Bounds = { green: 1.35, amber: 2.5 }
/** Latents a token that L0 may be off whatever the ratio: at L0 5 they are within what text does. */
const L0_SLACK = 2
/** FVU without a claim: 1 is what the mean alone explains. Published transcoders with few latents lie at 0.5. */
const FVU: Bounds = { green: 0.7, amber: 1 }
/** FVU with a claim c: `factor * c + slack`, and never above 1. */
const CLAIMED_FVU = {
  green: { factor: 1.5, slack: 0.02 },
  amber: { factor: 3, slack: 0.05 },
} as const
/** Delta loss without a claim, in nats. Published residual SAEs with few latents cost up to 1. */
const DELTA_LOSS: Bounds = { green: 1, amber: 3 }
/** The same with a claim. */
const CLAIMED_DELTA_LOSS = {
  green: { factor: 2, slack: 0.1 },
  amber: { factor: 4, slack: 0.5 },
} as const

/** The badge of what was measured: the worst of its numbers' badges. An absent number has none. */
export function badgeOf({ l0, fvu, delta_ce_loss }: Measured, claims: Claims): Badge {
  const found: Badge[] = ['green']
  if (claims.l0 !== undefined && Math.abs(l0 - claims.l0) > L0_SLACK) {
    found.push(within(Math.max(l0 / claims.l0, claims.l0 / l0), L0_RATIO))
  }
  if (fvu !== undefined) {
    const { green, amber } = claimed(claims.fvu, CLAIMED_FVU, FVU)
    found.push(within(fvu, { green: Math.min(green, 1), amber: Math.min(amber, 1) }))
  }
  if (delta_ce_loss !== undefined) {
    found.push(within(delta_ce_loss, claimed(claims.delta_ce_loss, CLAIMED_DELTA_LOSS, DELTA_LOSS)))
  }
  return worst(found)
}

/** The worst of several badges. */
function worst(badges: readonly Badge[]): Badge {
  return badges.reduce((a, b) => (BADGES.indexOf(a) < BADGES.indexOf(b) ? b : a))
}

/**
 * How far L0 and FVU are from fitting, in nats of ratio; smaller is better. L0's part is its distance from the claim, FVU's how
 * far it is above the claim, or above 0.02 where there is none. An FVU that could not be computed counts as 10.
 */
export function misfit({ l0, fvu = 10 }: Pick<Measured, 'l0' | 'fvu'>, claims: Claims): number {
  const least_fvu = Math.max(claims.fvu ?? 0, 0.02)
  const l0_part = claims.l0 === undefined ? 0 : Math.abs(Math.log((l0 + 0.1) / (claims.l0 + 0.1)))
  return l0_part + Math.log(Math.max(fvu, least_fvu) / least_fvu)
}

function claimed(
  claim: number | undefined,
  { green, amber }: typeof CLAIMED_FVU | typeof CLAIMED_DELTA_LOSS,
  unclaimed: Bounds,
): Bounds {
  if (claim === undefined) return unclaimed
  const at_least = Math.max(claim, 0)
  return {
    green: green.factor * at_least + green.slack,
    amber: amber.factor * at_least + amber.slack,
  }
}

function within(value: number, { green, amber }: Bounds): Badge {
  if (value <= green) return 'green'
  return value <= amber ? 'amber' : 'red'
}
