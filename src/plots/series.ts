/** Series: which SAEs belong to one line, what the line is called, and its colour. */

import { widthName } from '../sae/index.ts'
import type { PlottedSae } from './types.ts'

/** SAEs that differ in nothing but what the axis shows. */
export type Series = {
  /** What sets it apart from the others: `layer 3 · 16k`; empty where it is the only one. */
  readonly label: string
  readonly color: string
  /** SVG's `stroke-dasharray`. */
  readonly dash: string
  readonly saes: readonly PlottedSae[]
}

/** What a colour or a dash stands for. */
export type Key = { readonly label: string; readonly color: string; readonly dash: string }

/** All series of a plot. */
export type SeriesSet = {
  readonly series: readonly Series[]
  /** None where there is nothing to tell apart. */
  readonly keys: readonly Key[]
  /** What they have in common: `resid_post · 2k latents · jumprelu`. */
  readonly common: string
}

/** What a line may differ in, in the order in which names say it. */
const DIMENSIONS = {
  suite: ({ suite = '' }: PlottedSae) => printable(suite),
  architecture: ({ architecture }: PlottedSae) => printable(architecture),
  layer: ({ hook }: PlottedSae) => {
    const layer = layerOf(hook)
    return layer === undefined ? '' : `layer ${layer}`
  },
  site: ({ hook }: PlottedSae) => siteOf(hook),
  width: ({ d_sae }: PlottedSae) => `${widthName(d_sae)} latents`,
  l0: ({ l0_target }: PlottedSae) => `L0 ${l0_target} asked`,
} as const
export type Dimension = keyof typeof DIMENSIONS

/** A name that others chose, without characters that XML refuses. */
const printable = (name: string): string => name.toWellFormed().replaceAll(/\p{Cc}/gu, ' ')

/** The block of a site, undefined outside the blocks. */
export function layerOf(hook: string): number | undefined {
  const [, layer] = /^blocks\.(\d+)\./.exec(hook) ?? []
  return layer === undefined ? undefined : Number(layer)
}

/** A site's name without its block: `resid_post`, `attn z`, `mlp_out`. */
export function siteOf(hook: string): string {
  return hook
    .replace(/^blocks\.\d+\./, '')
    .replace('.hook_', ' ')
    .replace('hook_', '')
}

/**
 * Eight colours that people with colour-blindness tell apart, after Okabe and Ito's, each with a contrast of at least 3 to
 * white and to near-black: so none is as bright as their yellow or as dark as their black.
 */
const PALETTE = [
  '#2f7fc8', '#d9702a', '#0d9a74', '#c0569c', '#9a8500', '#7d6fd6', '#2a9fb0', '#8a8a8a',
] // biome-ignore format: one list, one glance

/** From the first layer to the last: blue, purple, orange, of equal lightness. */
const RAMP = ['#3f83dc', '#a266c4', '#dc7430'] as const

/** A colour between the first layer's (0) and the last's (1). */
export function rampColor(share: number): string {
  const at = Math.min(share, 0.9999) * (RAMP.length - 1)
  const [from, to] = [RAMP[Math.floor(at)]!, RAMP[Math.floor(at) + 1]!]
  const mix = (start: number) => {
    const [a, b] = [from, to].map((color) => Number.parseInt(color.slice(start, start + 2), 16))
    const value = Math.round(a! + (b! - a!) * (at % 1))
    return value.toString(16).padStart(2, '0')
  }
  return `#${mix(1)}${mix(3)}${mix(5)}`
}

/** Lines for a second difference beside colours, plain first. */
const DASHES = ['none', '6 3', '2 2.5', '9 3 2 3'] as const

/** Most keys of a ramp that are shown: every so many layers. */
const RAMP_KEYS = 10

/**
 * Groups SAEs into series: those that are alike in everything but `axis`.
 *
 * Colours tell suites and architectures apart where there are several, else layers (a ramp), else whatever differs. Where
 * layers have the colours, dashes tell the rest apart.
 */
export function seriesOf(saes: readonly PlottedSae[], axis: Dimension): SeriesSet {
  const names = (Object.keys(DIMENSIONS) as Dimension[]).filter((name) => name !== axis)
  const varies = names.filter((name) => new Set(saes.map(DIMENSIONS[name])).size > 1)
  const kinds = varies.filter((name) => name === 'suite' || name === 'architecture')
  const isRamp = kinds.length === 0 && varies.includes('layer')
  const colored = kinds.length > 0 ? kinds : isRamp ? (['layer'] as const) : varies
  const dashed = isRamp ? varies.filter((name) => name !== 'layer') : []
  const colorNames = distinct(saes.map((sae) => labelOf(sae, colored)))
  const dashNames = distinct(saes.map((sae) => labelOf(sae, dashed)))
  const layerColor = layerColors(saes)
  const colorOf = (sae: PlottedSae) =>
    isRamp ? layerColor(sae) : PALETTE[colorNames.indexOf(labelOf(sae, colored)) % PALETTE.length]!
  const dashOf = (sae: PlottedSae) =>
    DASHES[dashNames.indexOf(labelOf(sae, dashed)) % DASHES.length]!

  const series = [...Map.groupBy(saes, (sae) => labelOf(sae, varies))].map(([label, own]) => ({
    label,
    saes: own,
    color: colorOf(own[0]!),
    dash: dashOf(own[0]!),
  }))
  const every = isRamp ? Math.ceil(colorNames.length / RAMP_KEYS) : 1
  const keys = [
    ...colorNames
      .filter((label, i) => label !== '' && i % every === 0)
      .map((label) => {
        const sae = saes.find((sae) => labelOf(sae, colored) === label)!
        return { label, color: colorOf(sae), dash: 'none' }
      }),
    ...(dashNames.length < 2 ? [] : dashNames).map((label, i) => {
      return { label, color: 'currentColor', dash: DASHES[i % DASHES.length]! }
    }),
  ]
  const fixed = names.filter((name) => !varies.includes(name))
  return { series, keys: keys.length < 2 ? [] : keys, common: labelOf(saes[0]!, fixed) }
}

const labelOf = (sae: PlottedSae, dimensions: readonly Dimension[]): string =>
  dimensions
    .map((name) => DIMENSIONS[name](sae))
    .filter((part) => part !== '')
    .join(' · ')

const distinct = (labels: readonly string[]): string[] => [...new Set(labels)]

function layerColors(saes: readonly PlottedSae[]): (sae: PlottedSae) => string {
  const layers = saes.flatMap(({ hook }) => layerOf(hook) ?? [])
  const [first, last] = [Math.min(...layers), Math.max(...layers)]
  return ({ hook }) => {
    const layer = layerOf(hook)
    return layer === undefined
      ? PALETTE.at(-1)!
      : rampColor((layer - first) / Math.max(1, last - first))
  }
}

/**
 * Of many SAEs one for each suite, architecture and site, so that a plot stays readable: the widest, and of those the one
 * whose L0 is in the middle. All where they are no more than `most`.
 */
export function oneASite(saes: readonly PlottedSae[], most: number): readonly PlottedSae[] {
  if (saes.length <= most) return saes
  const sites = Map.groupBy(saes, ({ suite, architecture, hook }) =>
    JSON.stringify([suite, architecture, hook]),
  )
  return [...sites.values()].map((own) => {
    const width = Math.max(...own.map(({ d_sae }) => d_sae))
    const widest = own
      .filter(({ d_sae }) => d_sae === width)
      .sort((a, b) => a.l0_target - b.l0_target)
    return widest[widest.length >> 1]!
  })
}
