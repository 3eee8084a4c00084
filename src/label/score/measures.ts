/** Measures of how well a label predicts a latent, each with its 95 % interval. */
import { hash32 } from '../../activations/index.ts'
import { wilson } from '../agreement.ts'

/** A measure with the bounds of its 95 % interval. */
export type Interval = { readonly value: number; readonly low: number; readonly high: number }

const Z = 1.959964

/** `n_hits / n` with Wilson's interval. @throws RangeError for n = 0. */
export function shareOf(n_hits: number, n: number): Interval {
  const found = wilson(n_hits, n)
  if (!found) throw new RangeError('shareOf: of nothing, expected at least one')
  return { value: found.share, low: found.low, high: found.high }
}

/**
 * `(hits / positives + rejections / negatives) / 2`; its interval from the two shares' (MOVER, Zou and Donner 2008).
 * @throws RangeError where one of the kinds has no example.
 */
export function balancedAccuracy(
  said: readonly boolean[],
  truth: readonly boolean[],
): Interval & { readonly n_positives: number; readonly n_negatives: number } {
  const n_positives = truth.filter(Boolean).length
  const n_negatives = truth.length - n_positives
  const n_hits = said.filter((yes, i) => yes && truth[i]).length
  const n_rejections = said.filter((yes, i) => !yes && !truth[i]).length
  const a = shareOf(n_hits, n_positives)
  const b = shareOf(n_rejections, n_negatives)
  const value = (a.value + b.value) / 2
  return {
    value,
    low: value - Math.hypot(a.value - a.low, b.value - b.low) / 2,
    high: value + Math.hypot(a.high - a.value, b.high - b.value) / 2,
    n_positives,
    n_negatives,
  }
}

/**
 * Chance that a positive scores above a negative, ties counting half. The interval holds every area whose own standard error
 * (Hanley and McNeil 1982) reaches the one found, so that it has a width at 1 as well (Newcombe 2006).
 */
export function areaUnderCurve(scores: readonly number[], truth: readonly boolean[]): Interval {
  const positives = scores.filter((_, i) => truth[i])
  const negatives = scores.filter((_, i) => !truth[i])
  if (positives.length === 0 || negatives.length === 0)
    throw new RangeError('areaUnderCurve: needs an example of each kind')
  let above = 0
  for (const p of positives) for (const q of negatives) above += p > q ? 1 : p === q ? 0.5 : 0
  const value = above / (positives.length * negatives.length)
  const more = (positives.length + negatives.length) / 2 - 1
  const error = (a: number) =>
    Math.sqrt(
      (a * (1 - a) * (1 + (more * (1 - a)) / (2 - a) + (more * a) / (1 + a))) /
        (positives.length * negatives.length),
    )
  // Bisection for the areas that lie just Z standard errors away.
  const bound = (end: 0 | 1) => {
    let [near, far] = [value, end as number]
    for (let i = 0; i < 50; i++) {
      const middle = (near + far) / 2
      if (Math.abs(middle - value) <= Z * error(middle)) near = middle
      else far = middle
    }
    return near
  }
  return { value, low: bound(0), high: bound(1) }
}

const N_RESAMPLES = 1000

/**
 * Pearson's r over the tokens of all texts. Tokens of a text depend on each other, so its interval comes from drawing whole texts
 * anew (percentile bootstrap, seeded).
 * @returns undefined where one side is constant.
 */
export function correlation(
  texts: readonly { readonly truth: ArrayLike<number>; readonly said: readonly number[] }[],
): Interval | undefined {
  const moments = texts.map(momentsOf)
  const value = pearson(moments)
  if (value === undefined) return undefined
  const drawn: number[] = []
  for (let r = 1; r <= N_RESAMPLES; r++) {
    const found = pearson(moments.map((_, i) => moments[hash32(i ^ hash32(r)) % moments.length]!))
    if (found !== undefined) drawn.push(found)
  }
  drawn.sort((a, b) => a - b)
  const at = (q: number) => drawn[Math.round(q * (drawn.length - 1))] ?? value
  return { value, low: Math.min(value, at(0.025)), high: Math.max(value, at(0.975)) }
}

/** n, sum a, sum b, sum ab, sum aa, sum bb of one text. */
function momentsOf({ truth, said }: { truth: ArrayLike<number>; said: readonly number[] }) {
  const sums = [said.length, 0, 0, 0, 0, 0]
  for (const [i, b] of said.entries()) {
    const a = truth[i]!
    for (const [k, term] of [a, b, a * b, a * a, b * b].entries()) sums[k + 1]! += term
  }
  return sums
}

function pearson(moments: readonly (readonly number[])[]): number | undefined {
  const [n, a, b, ab, aa, bb] = [0, 1, 2, 3, 4, 5].map((k) =>
    moments.reduce((sum, text) => sum + text[k]!, 0),
  ) as [number, number, number, number, number, number]
  const [var_a, var_b] = [n * aa - a * a, n * bb - b * b]
  // Rounding leaves a trace of variance where there is none.
  const is_constant = var_a <= 1e-9 * n * aa || var_b <= 1e-9 * n * bb
  return is_constant ? undefined : (n * ab - a * b) / Math.sqrt(var_a * var_b)
}
