/** One site of two runs: what changes at every place of their alignment, and which latents change most over all of them. */

import type { SparseActs } from '../sae/index.ts'
import type {
  Cell,
  ChangeKind,
  Column,
  LatentChange,
  OpenSite,
  RankedLatent,
  SiteComparison,
} from './types.ts'
import { differs, eachLatent, largestActs, type Units, unitsOf } from './units.ts'

export type SiteOptions = {
  /** Latents listed of a cell. */
  readonly n_top: number
  /** Latents listed of a site. */
  readonly n_latents: number
  /** Latents that fire on more than this share of the corpus's tokens are left out, where their density is known. */
  readonly max_density: number
}

/** The two runs at a site. */
export type TwoRuns = {
  readonly acts_a: SparseActs
  readonly acts_b: SparseActs
  readonly columns: readonly Column[]
  /** Whether SAEs read a token: special ones are left out. */
  readonly isRead: (side: 'a' | 'b', token: number) => boolean
}

/** What is kept of a latent while the columns go by. */
type Tally = {
  peak: LatentChange & { column: number }
  /** On unaligned tokens. */
  lone?: LatentChange & { column: number }
  sum: number
  n_columns: number
  /** Fires on any token of A, of B. */
  isOn_a: boolean
  isOn_b: boolean
}

/** Compares two runs at one site; `n_dense` latents were left out. */
export function compareSite(
  site: OpenSite,
  runs: TwoRuns,
  options: SiteOptions,
): Omit<SiteComparison, 'id' | 'hook'> & { readonly n_dense: number } {
  const { acts_a, acts_b, columns, isRead } = runs
  const largest = largestActs([
    { acts: acts_a, counts: (token) => isRead('a', token) },
    { acts: acts_b, counts: (token) => isRead('b', token) },
  ])
  const units = unitsOf(site, (latent) => largest.get(latent) ?? 1)
  const dense = new Set<number>()
  const isDense = (latent: number): boolean => {
    if (!((site.measured?.density[latent] ?? 0) > options.max_density)) return false
    dense.add(latent)
    return true
  }
  const tallies = new Map<number, Tally>()
  let n_pairs = 0
  const pair_changes: number[] = []
  const cells = columns.map(({ a, b }, column) => {
    const place = readPlace(runs, a, b)
    if (place === undefined) return null
    const isPair = place.a !== undefined && place.b !== undefined
    const changes = changesAt(runs, place, units, isDense)
    for (const one of changes) tally(tallies, one, column, isPair)
    const cell = cellOf(changes, isPair, units, options.n_top)
    if (isPair) n_pairs++
    if (cell.change !== undefined) pair_changes.push(cell.change)
    return cell
  })
  const last = readPlace(runs, acts_a.n - 1, acts_b.n - 1)
  const isWhole = last?.a !== undefined && last.b !== undefined
  const ranked = [...tallies].flatMap(([index, one]) => rank(index, one, n_pairs))
  ranked.sort((x, y) => Math.abs(y.effect) - Math.abs(x.effect) || x.index - y.index)
  const n = { gained: 0, lost: 0, strengthened: 0, weakened: 0, only_a: 0, only_b: 0 }
  for (const { kind } of ranked) n[kind]++
  const isApart = ({ kind }: RankedLatent) => kind === 'only_a' || kind === 'only_b'
  return {
    unit: units.unit,
    cells,
    ...(pair_changes.length === 0 ? {} : { change: mean(pair_changes) }),
    l0_a: meanL0(acts_a, (token) => isRead('a', token)),
    l0_b: meanL0(acts_b, (token) => isRead('b', token)),
    n,
    latents: ranked.filter((one) => !isApart(one)).slice(0, options.n_latents),
    apart: ranked.filter(isApart).slice(0, options.n_latents),
    final:
      last && isWhole
        ? cellOf(changesAt(runs, last, units, isDense), true, units, options.n_top)
        : null,
    n_dense: dense.size,
  }
}

/** The tokens of a place that SAEs read; nothing where there is none, or the other side's token is special. */
function readPlace(
  { isRead }: TwoRuns,
  a: number | undefined,
  b: number | undefined,
): { a?: number; b?: number } | undefined {
  if (a !== undefined && !isRead('a', a)) return undefined
  if (b !== undefined && !isRead('b', b)) return undefined
  return { ...(a === undefined ? {} : { a }), ...(b === undefined ? {} : { b }) }
}

function changesAt(
  { acts_a, acts_b }: TwoRuns,
  place: { readonly a?: number; readonly b?: number },
  units: Units,
  isDense: (latent: number) => boolean,
): LatentChange[] {
  const changes: LatentChange[] = []
  eachLatent(acts_a, place.a, acts_b, place.b, (index, a, b) => {
    if (!isDense(index))
      changes.push({ index, a, b, effect: differs(a, b) ? (b - a) / units.of(index) : 0 })
  })
  return changes
}

function tally(
  tallies: Map<number, Tally>,
  one: LatentChange,
  column: number,
  isPair: boolean,
): void {
  let known = tallies.get(one.index)
  if (known === undefined) {
    const peak = { ...one, effect: 0, column }
    known = { peak, sum: 0, n_columns: 0, isOn_a: false, isOn_b: false }
    tallies.set(one.index, known)
  }
  known.isOn_a ||= one.a > 0
  known.isOn_b ||= one.b > 0
  if (!isPair) {
    if (Math.abs(one.effect) > Math.abs(known.lone?.effect ?? 0)) known.lone = { ...one, column }
    return
  }
  if (one.effect === 0) return
  known.sum += one.effect
  known.n_columns++
  if (Math.abs(one.effect) > Math.abs(known.peak.effect)) known.peak = { ...one, column }
}

/** A latent's kind and place in the list; nothing for one that does not change. */
function rank(index: number, tally: Tally, n_pairs: number): RankedLatent[] {
  const { peak, lone, sum, n_columns } = tally
  if (n_columns > 0) {
    const direction = peak.effect > 0 ? 'strengthened' : 'weakened'
    const kind: ChangeKind = !tally.isOn_a ? 'gained' : !tally.isOn_b ? 'lost' : direction
    return [{ ...peak, index, kind, mean_effect: sum / n_pairs, n_columns }]
  }
  if (lone === undefined || (tally.isOn_a && tally.isOn_b)) return []
  return [
    { ...lone, index, kind: tally.isOn_a ? 'only_a' : 'only_b', mean_effect: 0, n_columns: 0 },
  ]
}

function cellOf(
  changes: readonly LatentChange[],
  isPair: boolean,
  units: Units,
  n_top: number,
): Cell {
  const n = { n_gained: 0, n_lost: 0, n_stronger: 0, n_weaker: 0 }
  let moved = 0
  let either = 0
  for (const { index, a, b, effect } of changes) {
    moved += Math.abs(effect)
    either += Math.max(a, b) / units.of(index)
    if (effect === 0) continue
    if (a === 0) n.n_gained++
    else if (b === 0) n.n_lost++
    else if (effect > 0) n.n_stronger++
    else n.n_weaker++
  }
  const top = changes
    .filter(({ effect }) => effect !== 0)
    .sort((x, y) => Math.abs(y.effect) - Math.abs(x.effect) || x.index - y.index)
    .slice(0, n_top)
  if (!isPair) return { n_gained: 0, n_lost: 0, n_stronger: 0, n_weaker: 0, top }
  return { ...(either > 0 ? { change: moved / either } : {}), ...n, top }
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length

function meanL0({ n, row_start }: SparseActs, isRead: (token: number) => boolean): number {
  let tokens = 0
  let active = 0
  for (let token = 0; token < n; token++) {
    if (!isRead(token)) continue
    tokens++
    active += row_start[token + 1]! - row_start[token]!
  }
  return tokens === 0 ? 0 : active / tokens
}
