/** Which strengths are of use: what was measured of the texts, and the rule that judges it. */

import type { Intervention } from './interventions.ts'

/** What was measured of the texts at one strength, all of it read with the model as it is. */
export type Measure = {
  readonly n_tokens: number
  /** exp of the mean loss over all tokens of all texts; absent where there is none. */
  readonly perplexity?: number
  /** Mean over the texts of the share of their 3-grams that occurred in the text before; absent where none has one. */
  readonly repetition?: number
  /** [n_interventions][n_texts]: mean activation of the latent over the text's tokens; texts without tokens left out. */
  readonly acts: number[][]
  /** [n_samples]: without the prompt. */
  readonly texts: string[]
}

/** `useful`, or the first of these that is wrong: the latent's activation is as by default, the text is unlikely, or it repeats itself. */
export type Verdict = 'useful' | 'no_effect' | 'unlikely' | 'repetitive'

/** Strengths next to each other in the grid that are all useful. */
export type Band = { readonly from: number; readonly to: number }

/** The bounds of the useful band. They are conventions, not results. */
export const BAND_RULE = {
  /** Standard errors by which the latent's mean activation must differ from the default's. */
  min_effect_standard_errors: 2,
  /** Times the default's perplexity. */
  max_perplexity_ratio: 2,
  /** Above the default's share of repeated 3-grams. */
  max_repetition_rise: 0.1,
} as const

/** The rule in words. */
export function renderBandRule(): string {
  const { min_effect_standard_errors, max_perplexity_ratio, max_repetition_rise } = BAND_RULE
  return `Useful: read by the model as it is, the texts hold more of the latent than the default's (less, where it is turned down) by over ${min_effect_standard_errors} standard errors, their perplexity is at most ${max_perplexity_ratio} times the default's, and their share of repeated ${N_GRAM}-grams at most ${max_repetition_rise} above the default's.`
}

const N_GRAM = 3

/** Share of a text's 3-grams that occurred in it before, 0 to 1; undefined for fewer than 3 tokens. */
export function repetition(ids: readonly number[]): number | undefined {
  const n = ids.length - N_GRAM + 1
  if (n < 1) return undefined
  const grams = Array.from({ length: n }, (_, i) => ids.slice(i, i + N_GRAM).join(' '))
  return 1 - new Set(grams).size / n
}

/**
 * Judges one strength against the model as it is by BAND_RULE.
 * @param of the intervention that is judged, at this strength, and its place among all.
 */
export function verdictOf(
  measure: Measure,
  plain: Measure,
  of: { readonly intervention: Pick<Intervention, 'mode' | 'strength'>; readonly lead: number },
): Verdict {
  const rise =
    standardErrors(measure.acts[of.lead]!, plain.acts[of.lead]!) * direction(of.intervention)
  if (!(rise > BAND_RULE.min_effect_standard_errors)) return 'no_effect'
  if (!(measure.perplexity! <= BAND_RULE.max_perplexity_ratio * plain.perplexity!))
    return 'unlikely'
  const rises = (measure.repetition ?? 0) - (plain.repetition ?? 0)
  return rises <= BAND_RULE.max_repetition_rise ? 'useful' : 'repetitive'
}

/** The runs of useful strengths, of points in ascending order. */
export function bandsOf(
  points: readonly { readonly strength: number; readonly verdict: Verdict }[],
): Band[] {
  const bands: { from: number; to: number }[] = []
  let open: { from: number; to: number } | undefined
  for (const { strength, verdict } of points) {
    if (verdict !== 'useful') open = undefined
    else if (open !== undefined) open.to = strength
    else {
      open = { from: strength, to: strength }
      bands.push(open)
    }
  }
  return bands
}

/** 1 where the latent is turned up, -1 where it is turned down, 0 where it is left as it is. */
function direction({ mode, strength }: Pick<Intervention, 'mode' | 'strength'>): number {
  switch (mode) {
    case 'add':
      return Math.sign(strength)
    case 'scale':
      return Math.sign(strength - 1)
    case 'clamp':
      return strength > 0 ? 1 : -1
    case 'ablate':
      return -1
    default:
      throw new TypeError(`verdictOf: unknown mode ${mode satisfies never}.`)
  }
}

/** By how many standard errors of their difference the mean of `a` lies above that of `b`; NaN where either has fewer than 2. */
function standardErrors(a: readonly number[], b: readonly number[]): number {
  const [one, other] = [moments(a), moments(b)]
  const difference = one.mean - other.mean
  const error = Math.sqrt(one.variance / a.length + other.variance / b.length)
  return difference === 0 && error === 0 ? 0 : difference / error
}

function moments(numbers: readonly number[]): { mean: number; variance: number } {
  const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length
  const squares = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  return { mean, variance: squares / (numbers.length - 1) }
}
