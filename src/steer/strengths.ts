/** The strengths of a set of interventions, as one number that goes up a grid. */

import type { Intervention } from './interventions.ts'

/** In units of the latent's maximum for add and clamp, factors for scale. */
export const SWEEP_STRENGTHS: readonly number[] = [0, 0.25, 0.5, 1, 1.5, 2, 3, 4]

type Dose = Pick<Intervention, 'mode' | 'strength'>

/**
 * The interventions at one strength: the one with the largest strength gets it, the others keep their proportion to that one.
 * Ablations stay as they are.
 * @throws RangeError if all of them ablate.
 */
export function atStrength<T extends Dose>(interventions: readonly T[], strength: number): T[] {
  const lead = interventions[leadOf(interventions)]!
  return interventions.map((one) => {
    if (one.mode === 'ablate') return one
    const share = one === lead || lead.strength === 0 ? 1 : one.strength / lead.strength
    return { ...one, strength: strength * share }
  })
}

/** The place of the intervention that a sweep's strengths are those of: the largest one, the first if several are. */
export function leadOf(interventions: readonly Dose[]): number {
  let lead = -1
  interventions.forEach(({ mode, strength }, i) => {
    if (mode === 'ablate') return
    if (lead < 0 || Math.abs(strength) > Math.abs(interventions[lead]!.strength)) lead = i
  })
  if (lead >= 0) return lead
  throw new RangeError(
    'sweep: every intervention ablates, which has no strength. Add, scale or clamp at least one latent.',
  )
}
