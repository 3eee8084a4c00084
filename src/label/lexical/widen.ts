/** What else a latent fires on, beside what its strongest examples share: parts of words and classes, one after the other. */
import { type Atom, atomsAt, clauseHolds, keyOf, type LexicalClaim } from './claim.ts'
import type { Sample } from './observe.ts'
import { quote, title } from './phrase.ts'
import type { Scale } from './scale.ts'

/** More could not be kept in mind. */
const MOST = 6
/** What a further condition must add: share of activations less share of other windows. */
const LEAST_GAIN = 0.01
/** What is met at least so often in other windows is likely to be met again: worth this much, less if rarer. */
const COMMON = { share: 1 / 150, worth: 0.03 }
const KINDS: ReadonlySet<Atom['kind']> = new Set(['whole', 'first', 'inner', 'last', 'class'])

/**
 * Conditions that `claim` lacks, the one that adds most first; none where no other text is known to hold them against.
 * @param fits whether a label with these would still be short enough
 */
export function widen(
  claim: LexicalClaim,
  samples: readonly Sample[],
  {
    scale,
    pieces,
    fits,
  }: { scale: Scale; pieces: readonly string[]; fits(more: readonly Atom[]): boolean },
): Atom[] {
  const chosen: Atom[] = []
  if (scale.n_windows === 0) return chosen
  const open = new Set<number>()
  const places = new Map<string, { atom: Atom; at: number[] }>()
  for (const [i, { o }] of samples.entries()) {
    if (claim.some((clause) => clauseHolds(clause, o, pieces))) continue
    open.add(i)
    for (const atom of atomsAt(o, pieces)) {
      if (!KINDS.has(atom.kind)) continue
      const entry = places.get(keyOf(atom)) ?? { atom, at: [] }
      entry.at.push(i)
      places.set(keyOf(atom), entry)
    }
  }
  const taken = new Uint8Array(scale.n_windows)
  for (const clause of claim) for (const window of scale.windowsOf(clause)) taken[window] = 1
  /** Windows are looked at only where more than `least` is possible. */
  const gainOf = ({ atom, at }: { atom: Atom; at: number[] }, least: number): number => {
    let gain = 0
    for (const i of at) if (open.has(i)) gain += scale.weights[i]!
    if (gain === 0 || gain + COMMON.worth <= least) return 0
    let n = 0
    for (const window of scale.windowsOf({ any: [atom] })) n += 1 - taken[window]!
    const chance = n / scale.n_windows
    return gain - chance + COMMON.worth * Math.min(1, chance / COMMON.share)
  }
  while (chosen.length < MOST) {
    let best: { atom: Atom; at: number[]; gain: number } | undefined
    for (const entry of places.values()) {
      const least = best?.gain ?? LEAST_GAIN
      const gain = gainOf(entry, least)
      if (gain > least) best = { ...entry, gain }
    }
    if (!best) break
    places.delete(keyOf(best.atom))
    if (!fits([...chosen, best.atom])) continue
    chosen.push(best.atom)
    for (const i of best.at) open.delete(i)
    for (const window of scale.windowsOf({ any: [best.atom] })) taken[window] = 1
  }
  return chosen
}

/** A condition as a label names it. */
export function nameOf({ kind, value }: Atom): string {
  if (kind === 'class') return value
  if (!/[\p{L}\p{N}]/u.test(value)) return title(value)
  const left = kind === 'inner' || kind === 'last' ? '…' : ''
  const right = kind === 'first' || kind === 'inner' ? '…' : ''
  return quote(`${left}${value}${right}`)
}
