/** From points to lines in panels: what shares a panel, and what tells its lines apart. */
import type { RunPoint } from '../../../src/api/index.ts'
import { saeName, siteKind, siteLayer } from '../format/names.ts'

/** One SAE's training. */
export type Training = {
  readonly sae: string
  /** In the order of steps. */
  readonly points: readonly RunPoint[]
}

/** A line of a panel: an SAE, a suite, or all SAEs together. */
type Line = {
  readonly key: string
  /** At its end and in the readout. */
  readonly name: string
  readonly colour: string
  readonly points: readonly RunPoint[]
}

/** What shares a panel. */
export type Facet = {
  readonly key: string
  /** Empty where there is only one facet. */
  readonly name: string
  readonly lines: readonly Line[]
  /** The L0 that its SAEs were asked for, each once. */
  readonly targets: readonly number[]
}

/** Points by SAE, each in the order of steps; SAEs in the order of `order`, others behind. */
export function trainingsOf(
  points: readonly RunPoint[],
  order: readonly string[] = [],
): Training[] {
  const place = new Map(order.map((sae, i) => [sae, i]))
  return [...Map.groupBy(points, (p) => p.sae)]
    .map(([sae, list]) => ({ sae, points: list.toSorted((a, b) => a.step - b.step) }))
    .sort((a, b) => (place.get(a.sae) ?? order.length) - (place.get(b.sae) ?? order.length))
}

/** What SAEs of one suite differ in. The first of these that varies is told by colour, the others by panel. */
const dimensions = {
  layer: (sae: string) => siteLayer(saeName(sae).hook),
  l0: (sae: string) => saeName(sae).l0,
  width: (sae: string) => saeName(sae).width,
  site: (sae: string) => siteKind(saeName(sae).hook),
} as const
type Dimension = keyof typeof dimensions
const dimensionNames = Object.keys(dimensions) as Dimension[]

const titles: Readonly<Record<Dimension, (value: string) => string>> = {
  layer: (value) => (value === '' ? 'outside the layers' : `layer ${value}`),
  l0: (value) => `L0 ${value}`,
  width: (value) => `${value} latents`,
  site: (value) => value,
}

/** Panels of a suite's training, the dimension that its lines are told apart by, and that dimension's values in order. */
export function facetsOf(trainings: readonly Training[]): {
  readonly facets: readonly Facet[]
  readonly by: Dimension
  readonly values: readonly string[]
} {
  const valuesOf = (of: Dimension) =>
    [...new Set(trainings.map(({ sae }) => dimensions[of](sae)))].sort(
      (a, b) => magnitude(a) - magnitude(b),
    )
  const varying = dimensionNames.filter((of) => valuesOf(of).length > 1)
  const by = varying[0] ?? 'layer'
  const values = valuesOf(by)
  const rest = varying.filter((of) => of !== by)
  const keyOf = (sae: string) => rest.map((of) => titles[of](dimensions[of](sae))).join(' · ')
  const facets = [...Map.groupBy(trainings, ({ sae }) => keyOf(sae))].map(([name, list]) => ({
    key: name,
    name,
    targets: [...new Set(list.map(({ sae }) => Number(saeName(sae).l0)))].filter(Number.isFinite),
    lines: list
      .map(({ sae, points }) => {
        const value = dimensions[by](sae)
        return {
          key: sae,
          name: value,
          colour: shade(values.indexOf(value), values.length),
          points,
        }
      })
      .sort((a, b) => values.indexOf(a.name) - values.indexOf(b.name)),
  }))
  return { facets, by, values }
}

/** The i-th colour of n, from shallow to deep. */
export const shade = (i: number, n: number): string =>
  n < 2
    ? 'var(--deep)'
    : `color-mix(in oklch increasing hue, var(--shallow), var(--deep) ${((100 * i) / (n - 1)).toFixed(1)}%)`

/** For order: 4 before 16k before 1m; what is no number comes last, as it came. */
function magnitude(text: string): number {
  const match = /^([\d.]+)([km]?)$/.exec(text)
  if (!match) return Number.MAX_VALUE
  return Number(match[1]) * { '': 1, k: 1e3, m: 1e6 }[(match[2] ?? '') as '' | 'k' | 'm']
}

/** What a curve is drawn over. */
export type Along = 'step' | 'tokens' | 'time'

/**
 * Where each point of an SAE stands: at its step, its tokens, or the seconds of training until then, which follow from the
 * speed that was measured at each point; pauses and what was done again after a kill are not in them.
 */
export function placesOf(points: readonly RunPoint[], along: Along): number[] {
  if (along === 'step') return points.map((p) => p.step)
  if (along === 'tokens') return points.map((p) => p.n_tokens)
  let seconds = 0
  let tokens = 0
  return points.map((p) => {
    if (p.tokens_per_s > 0) seconds += (p.n_tokens - tokens) / p.tokens_per_s
    tokens = p.n_tokens
    return seconds
  })
}

/** The index of the place nearest to `x`; -1 where there is none. Places ascend. */
export function nearest(places: readonly number[], x: number): number {
  let best = -1
  for (const [i, place] of places.entries())
    if (best < 0 || Math.abs(place - x) < Math.abs((places[best] ?? 0) - x)) best = i
  return best
}

/** The end of the axis: what the run is to take of it where that is known, else the last place there is. */
export function endOf(points: readonly RunPoint[], along: Along): number {
  if (along === 'time') return placesOf(points, 'time').at(-1) ?? 0
  const ends = points.map(({ step, n_steps, n_tokens }) =>
    along === 'step' ? n_steps : (n_tokens / step) * n_steps,
  )
  return ends.reduce((a, b) => Math.max(a, b), 0)
}
