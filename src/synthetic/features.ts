/** The features of a synthetic source: how often each fires, and with which others. */
import type { Random } from '../model/index.ts'
import type { SparseActs } from '../sae/index.ts'
import type { Features, SyntheticOptions } from './types.ts'

/** A feature that fires on more tokens than this is no longer sparse. */
const MAX_FREQUENCY = 0.5

/**
 * Deals the features to families, groups and singles in random order, so that none of these is rarer than another, and
 * settles frequencies: `(i + 5)^-exponent`, its mean over a group's members, `share` times the parent's for a child;
 * scaled to sum to l0.
 * @throws RangeError if the groups and families need more features than there are, or a feature would fire on more than
 *   half of all tokens.
 */
export function planFeatures(options: SyntheticOptions, random: Random): Features {
  const { n_features, l0, exponent = 0.5, groups, families } = options
  const grouped = (groups?.n ?? 0) * (groups?.size ?? 0)
  const related = (families?.n ?? 0) * (1 + (families?.children ?? 0))
  if (grouped + related > n_features)
    throw new RangeError(
      `synthetic: groups need ${grouped} features and families ${related}, more than n_features ${n_features}. Ask for fewer.`,
    )
  const units = [
    ...Array.from({ length: families?.n ?? 0 }, () => 'family' as const),
    ...Array.from({ length: groups?.n ?? 0 }, () => 'group' as const),
    ...Array.from({ length: n_features - grouped - related }, () => 'single' as const),
  ]
    .map((kind) => ({ kind, at: random() }))
    .sort((a, b) => a.at - b.at)

  const frequency = Float64Array.from({ length: n_features }, (_, i) => (i + 5) ** -exponent)
  const parent = new Int32Array(n_features).fill(-1)
  const group = new Int32Array(n_features).fill(-1)
  let [first, n_groups] = [0, 0]
  for (const { kind } of units) {
    let end = first + 1
    if (kind === 'family') {
      end += families!.children
      parent.fill(first, first + 1, end)
      frequency.fill(frequency[first]! * families!.share, first + 1, end)
    } else if (kind === 'group') {
      end = first + groups!.size
      group.fill(n_groups++, first, end)
      const members = frequency.subarray(first, end)
      members.fill(sum(members) / members.length)
    }
    first = end
  }
  const scale = l0 / sum(frequency)
  for (let i = 0; i < n_features; i++) frequency[i]! *= scale
  const most = Math.max(...frequency)
  if (most > MAX_FREQUENCY)
    throw new RangeError(
      `synthetic: with l0 ${l0} of ${n_features} features the most frequent would fire on ${most.toFixed(2)} of all tokens, expected at most ${MAX_FREQUENCY}. Ask for a smaller l0 or exponent, or for more features.`,
    )
  return { frequency, parent, group }
}

/**
 * Draws which features fire on each of n tokens, and how strongly. Time goes with what fires, not with tokens times features.
 *
 * A group with correlation c has one coin of its frequency a token; with chance sqrt(c) a member takes that coin instead of
 * its own, so that two members share it with chance c. A child is drawn over its parent's tokens.
 */
export function drawFeatures(
  { frequency, parent, group }: Features,
  n: number,
  options: Pick<SyntheticOptions, 'groups' | 'families' | 'magnitude'>,
  random: Random,
): SparseActs {
  const [low, high] = options.magnitude ?? [0.5, 1.5]
  const shared = Math.sqrt(options.groups?.correlation ?? 0)
  const tokens: number[][] = []
  let coin: Set<number> = new Set()
  for (const [i, p] of frequency.entries()) {
    let on: number[]
    if (parent[i]! >= 0) {
      const above = tokens[parent[i]!]!
      on = drawEvents(above.length, options.families!.share, random).map((at) => above[at]!)
    } else if (group[i]! >= 0) {
      if (group[i] !== group[i - 1]) coin = new Set(drawEvents(n, p, random))
      const own = (1 - shared) * p
      on = drawEvents(n, own, random).filter((token) => !coin.has(token))
      for (const token of coin) if (random() < shared + own) on.push(token)
    } else on = drawEvents(n, p, random)
    tokens.push(on)
  }

  const row_start = new Int32Array(n + 1)
  for (const on of tokens) for (const token of on) row_start[token + 1]!++
  for (let token = 0; token < n; token++) row_start[token + 1]! += row_start[token]!
  const next = row_start.slice(0, n)
  const index = new Int32Array(row_start[n]!)
  const value = new Float32Array(row_start[n]!)
  for (const [i, on] of tokens.entries())
    for (const token of on) {
      const entry = next[token]!++
      index[entry] = i
      value[entry] = low + (high - low) * random()
    }
  return { n, d_sae: frequency.length, row_start, index, value }
}

/** The places of 0 .. n - 1, ascending, at which an event of chance p happens, found by the gaps between them. */
function drawEvents(n: number, p: number, random: Random): number[] {
  const events: number[] = []
  if (p <= 0) return events
  const log_miss = Math.log1p(-p)
  const gap = () => Math.floor(Math.log1p(-random()) / log_miss)
  for (let at = gap(); at < n; at += 1 + gap()) events.push(at)
  return events
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0)
