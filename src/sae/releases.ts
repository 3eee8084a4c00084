/**
 * Short names of published SAEs: `gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71`, as SAELens and the publishers spell them,
 * to the repository on the Hub, the folder in it, the dialect and the model they were trained on.
 *
 * "Canonical" is the SAE of a layer and width whose L0 is nearest to 100; it is looked up in the table below, or in the
 * repository's listing where the table does not have it. The table is versioned, because an entry decides what a name means.
 * Source: arXiv:2408.05147, table 1; the model cards of google/gemma-scope, google/gemma-scope-2 and fnlp/Llama-Scope.
 */

import type { Dialect } from './dialects/published.ts'

/** Raised when a name comes to mean another SAE. */
export const RELEASES_VERSION = 1

/** What a short name means. */
export type NamedSae = {
  readonly dialect: Dialect
  /** On the Hub. */
  readonly repository: string
  /** Inside the repository: the SAE's; with `nearest_l0` the one that holds its SAEs by L0. */
  readonly folder: string
  /** The model it was trained on, on the Hub. */
  readonly base_model: string
  /** Take the folder `average_l0_N` whose N is nearest to this. */
  readonly nearest_l0?: number
}

const CANONICAL_L0 = 100

/** Layers of a Gemma Scope release by width; a number is all layers up to it. */
type Widths = Readonly<Record<string, number | readonly number[]>>
type Release = { readonly base_model: string; readonly widths: Widths }

const B2 = 'google/gemma-2-2b'
const B9 = 'google/gemma-2-9b'
const GEMMA_SCOPE: Readonly<Record<string, Release>> = {
  'gemma-scope-2b-pt-res': {
    base_model: B2,
    widths: { '16k': 26, '32k': [12], '65k': 26, '131k': [12], '262k': [12], '524k': [12], '1m': [5, 12, 19] },
  },
  'gemma-scope-2b-pt-mlp': { base_model: B2, widths: { '16k': 26, '65k': 26 } },
  'gemma-scope-2b-pt-att': { base_model: B2, widths: { '16k': 26, '65k': 26 } },
  'gemma-scope-2b-pt-transcoders': { base_model: B2, widths: { '16k': 26 } },
  'gemma-scope-9b-pt-res': {
    base_model: B9,
    widths: { '16k': 42, '32k': [20], '65k': [20], '131k': 42, '262k': [20], '524k': [20], '1m': [9, 20, 31] },
  },
  'gemma-scope-9b-pt-mlp': { base_model: B9, widths: { '16k': 42, '131k': 42 } },
  'gemma-scope-9b-pt-att': { base_model: B9, widths: { '16k': 42, '131k': 42 } },
  'gemma-scope-9b-it-res': { base_model: 'google/gemma-2-9b-it', widths: { '16k': [9, 20, 31], '131k': [9, 20, 31] } },
  'gemma-scope-27b-pt-res': { base_model: 'google/gemma-2-27b', widths: { '131k': [10, 22, 34] } },
} // biome-ignore format: a table

/** Canonical L0s, by release and width: of every layer in order, or of the layers that there are. */
const CANONICAL: Readonly<Record<string, readonly number[] | Readonly<Record<number, number>>>> = {
  'gemma-scope-2b-pt-res 16k': [105, 102, 141, 59, 124, 68, 70, 69, 71, 73, 77, 80, 82, 84, 84, 78, 78, 77, 74, 73, 71, 70, 72, 75, 73, 116],
  'gemma-scope-2b-pt-res 65k': [73, 121, 77, 89, 89, 105, 107, 107, 111, 118, 128, 70, 72, 75, 73, 127, 128, 125, 116, 115, 114, 111, 116, 123, 124, 93],
  'gemma-scope-2b-pt-att 16k': [104, 79, 93, 117, 116, 135, 61, 99, 129, 127, 70, 80, 85, 92, 71, 98, 71, 79, 72, 122, 62, 65, 106, 73, 96, 77],
  'gemma-scope-2b-pt-mlp 16k': [119, 105, 95, 95, 85, 114, 133, 60, 136, 88, 110, 98, 108, 112, 97, 80, 72, 68, 106, 109, 109, 113, 121, 128, 73, 126],
  'gemma-scope-9b-pt-res 131k': { 9: 75, 20: 114, 31: 92 },
  'gemma-scope-9b-it-res 16k': { 9: 88, 20: 91, 31: 76 },
  'gemma-scope-27b-pt-res 131k': { 10: 106, 22: 82, 34: 72 },
} // biome-ignore format: a table

/** The four layers of Gemma Scope 2 with more widths and L0s; the `_all` folders have every layer. */
const CHOSEN_LAYERS: Readonly<Record<string, readonly number[]>> = {
  '270m': [5, 9, 12, 15],
  '1b': [7, 13, 17, 22],
  '4b': [9, 17, 22, 29],
  '12b': [12, 24, 31, 41],
  '27b': [16, 31, 40, 53],
}
const SITES_2: Readonly<Record<string, string>> = {
  res: 'resid_post',
  att: 'attn_out',
  mlp: 'mlp_out',
  transcoders: 'transcoder',
}
const LLAMA_LAYERS = 32

/**
 * Looks a short name up.
 * @returns undefined if the name is that of no release.
 * @throws RangeError if the release is known and has no such SAE.
 */
export function resolveRelease(name: string): NamedSae | undefined {
  const [release = '', ...rest] = name.split('/')
  const id = rest.join('/')
  return (
    gemmaScope(release, id, name) ?? gemmaScope2(release, id, name) ?? llamaScope(release, id, name)
  )
}

/** The L0 nearest to another; the smaller of two that are. */
export function nearestL0(l0s: readonly number[], to: number): number | undefined {
  return l0s.toSorted((a, b) => Math.abs(a - to) - Math.abs(b - to) || a - b)[0]
}

function gemmaScope(release: string, id: string, name: string): NamedSae | undefined {
  const repository = release.replace(/-canonical$/, '')
  if (!Object.hasOwn(GEMMA_SCOPE, repository)) return undefined
  const { base_model, widths } = GEMMA_SCOPE[repository]!
  const found = { dialect: 'gemma-scope', repository: `google/${repository}`, base_model } as const
  if (/^embedding\/width_4k\/average_l0_\d+$/.test(id) && /-(?:2b|9b)-pt-res$/.test(repository))
    return { ...found, folder: id }
  const [, layer, width, which] =
    /^layer_(0|[1-9]\d*)\/width_(\w+)\/(canonical|average_l0_\d+)$/.exec(id) ?? []
  if (layer === undefined) {
    throw unknown(
      name,
      `expected ${repository}/layer_<n>/width_<w>/average_l0_<n>, or canonical for the last`,
    )
  }
  const layers = Object.hasOwn(widths, width!) ? widths[width!]! : []
  const has = typeof layers === 'number' ? Number(layer) < layers : layers.includes(Number(layer))
  if (!has) {
    const there =
      typeof layers === 'number'
        ? `layers 0 to ${layers - 1}`
        : layers.length > 0
          ? `layers ${layers.join(', ')}`
          : `widths ${Object.keys(widths).join(', ')}`
    throw unknown(
      name,
      `${repository} has ${there}${layers === 0 || there.startsWith('widths') ? '' : ` of width ${width}`}`,
    )
  }
  const parent = `layer_${layer}/width_${width}`
  if (which !== 'canonical') return { ...found, folder: `${parent}/${which}` }
  const known = CANONICAL[`${repository} ${width}`]?.[Number(layer)]
  if (known !== undefined) return { ...found, folder: `${parent}/average_l0_${known}` }
  return { ...found, folder: parent, nearest_l0: CANONICAL_L0 }
}

function gemmaScope2(release: string, id: string, name: string): NamedSae | undefined {
  const [, size, tuning, site, all = ''] =
    /^gemma-scope-2-(270m|1b|4b|12b|27b)-(pt|it)(?:-(res|att|mlp|transcoders))?(-all)?$/.exec(
      release,
    ) ?? []
  if (size === undefined || (site === undefined && all !== '')) return undefined
  const path = site === undefined ? id : `${SITES_2[site]!}${all === '' ? '' : '_all'}/${id}`
  if (/^(?:crosscoder|clt)\b/.test(path)) {
    throw new RangeError(
      `${name}: crosscoders and cross-layer transcoders read or write several layers at once, which Hooke does not run.`,
    )
  }
  const [, every, layer] =
    /^(?:resid_post|attn_out|mlp_out|transcoder)(_all)?\/layer_(0|[1-9]\d*)_width_(?:16k|65k|262k|1m)_l0_(?:small|medium|big)(?:_affine)?$/.exec(
      path,
    ) ?? []
  if (layer === undefined) {
    throw unknown(
      name,
      'expected resid_post, attn_out, mlp_out or transcoder, with or without _all, then layer_<n>_width_<16k, 65k, 262k, 1m>_l0_<small, medium, big>',
    )
  }
  const chosen = CHOSEN_LAYERS[size]!
  if (every === undefined && !chosen.includes(Number(layer))) {
    throw unknown(name, `without _all there are layers ${chosen.join(', ')}`)
  }
  return {
    dialect: 'gemma-scope-2',
    repository: `google/gemma-scope-2-${size}-${tuning}`,
    folder: path,
    base_model: `google/gemma-3-${size}-${tuning}`,
  }
}

/** `L15R-8x` in the publisher's own spelling, `llama_scope_lxr_8x/l15r_8x` in SAELens's. */
function llamaScope(release: string, id: string, name: string): NamedSae | undefined {
  const own = /^L(\d+)(R|A|M|TC)-(8|32)x$/.exec(release)
  const [, kind, factor] = /^llama_scope_lx(r|a|m|tc)_(8|32)x$/.exec(release) ?? []
  if (own === null && kind === undefined) return undefined
  const [, layer, site, times] = own ?? new RegExp(`^l(\\d+)(${kind})_(${factor})x$`).exec(id) ?? []
  if (layer === undefined || (own !== null && id !== '') || Number(layer) >= LLAMA_LAYERS) {
    throw unknown(
      name,
      `expected L<0 to ${LLAMA_LAYERS - 1}>R-8x, or ${kind === undefined ? 'llama_scope_lxr_8x/l15r_8x' : `${release}/l15${kind}_${factor}x`}`,
    )
  }
  const position = site!.toUpperCase()
  return {
    dialect: 'llama-scope',
    repository: `fnlp/Llama3_1-8B-Base-LX${position}-${times}x`,
    folder: `Llama3_1-8B-Base-L${Number(layer)}${position}-${times}x`,
    base_model: 'meta-llama/Llama-3.1-8B',
  }
}

function unknown(name: string, expected: string): RangeError {
  return new RangeError(`${name}: no such SAE; ${expected}.`)
}
