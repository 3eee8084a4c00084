/** What an activation is measured in: the latent's own maximum. */

import type { SparseActs } from '../sae/index.ts'
import type { OpenSite } from './types.ts'

/** Changes below this share of the larger activation are rounding: float32's tolerance. */
export const ROUNDING = 1e-5

/** A latent's unit by its index, and where units come from. */
export type Units = {
  readonly of: (latent: number) => number
  readonly unit: 'corpus' | 'runs'
}

/**
 * The largest activation in the corpus where it is known and not 0, else the largest in these runs.
 * @param largest by latent, in these runs.
 */
export function unitsOf(
  { measured }: { readonly measured?: OpenSite['measured'] | undefined },
  largest: (latent: number) => number,
): Units {
  return {
    of: (latent) => measured?.max_act[latent] || largest(latent),
    unit: measured === undefined ? 'runs' : 'corpus',
  }
}

/** The largest activation of each latent that fires on a token that counts: BOS, with a norm out of all proportion, does not. */
export function largestActs(
  runs: readonly { readonly acts: SparseActs; readonly counts: (token: number) => boolean }[],
): ReadonlyMap<number, number> {
  const largest = new Map<number, number>()
  for (const { acts, counts } of runs)
    for (let token = 0; token < acts.n; token++) {
      if (!counts(token)) continue
      for (let entry = acts.row_start[token]!; entry < acts.row_start[token + 1]!; entry++) {
        const latent = acts.index[entry]!
        largest.set(latent, Math.max(largest.get(latent) ?? 0, acts.value[entry]!))
      }
    }
  return largest
}

/** Whether two activations differ by more than rounding. */
export const differs = (a: number, b: number): boolean =>
  Math.abs(b - a) > ROUNDING * Math.max(a, b)

/**
 * Walks the latents that are on in a row of either of two runs, ascending; an absent row is empty.
 * @param row_a index of the row in `acts_a`.
 */
export function eachLatent(
  acts_a: SparseActs,
  row_a: number | undefined,
  acts_b: SparseActs,
  row_b: number | undefined,
  visit: (latent: number, a: number, b: number) => void,
): void {
  let [at_a, end_a] = rangeOf(acts_a, row_a)
  let [at_b, end_b] = rangeOf(acts_b, row_b)
  while (at_a < end_a || at_b < end_b) {
    const in_a = at_a < end_a ? acts_a.index[at_a]! : Number.POSITIVE_INFINITY
    const in_b = at_b < end_b ? acts_b.index[at_b]! : Number.POSITIVE_INFINITY
    const latent = Math.min(in_a, in_b)
    visit(
      latent,
      in_a === latent ? acts_a.value[at_a++]! : 0,
      in_b === latent ? acts_b.value[at_b++]! : 0,
    )
  }
}

const rangeOf = ({ row_start }: SparseActs, row: number | undefined): [number, number] =>
  row === undefined ? [0, 0] : [row_start[row]!, row_start[row + 1]!]
