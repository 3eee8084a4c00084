/** The page's state as it stands in the URL: plain strings, short names, defaults left out. */
import type { Intervention, LabelMethod, SearchKind } from '../../../src/api/index.ts'
import { type Quantity, quantityNames } from '../plot/quantityNames.ts'

/** A query string as plain strings: `?q=12` is the text "12". */
export function parseSearch(query: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(query))
}

/** The reverse of parseSearch; absent and empty values are left out. */
export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, String(value))
  }
  const text = params
    .toString()
    .replaceAll('%2F', '/')
    .replaceAll('%3A', ':')
    .replaceAll('%7E', '~')
  return text ? `?${text}` : ''
}

type Raw = Record<string, unknown>

const text = (raw: Raw, key: string): string | undefined => {
  const value = raw[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

const numberIn = (raw: Raw, key: string, min: number, max: number): number | undefined => {
  const value = raw[key]
  if (value === undefined || value === '') return undefined
  const x = Number(value)
  return Number.isFinite(x) ? Math.min(max, Math.max(min, x)) : undefined
}

const oneOf = <T extends string>(raw: Raw, key: string, values: readonly T[]): T | undefined =>
  values.find((v) => v === raw[key])

/** Removes the keys that are undefined, so that defaults stay out of the URL. */
function present<T extends object>(record: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(record).filter(([, v]) => v !== undefined)) as T
}

/** On every view: the latents in the steering dock, as `formatInterventions` writes them. */
export type RootState = { dock?: string | undefined }

/** Reads the state that every view shares. */
export const readRoot = (raw: Raw): RootState => present<RootState>({ dock: text(raw, 'dock') })

/**
 * The microscope: text, suite, kind of site and dictionary as chooseSites reads them, what ranks the cells, focused cell as
 * `row.column`, locked latent as `<sae>/<index>`; cells, what the panel shows, dense latents, special tokens.
 */
export type MicroscopeState = {
  text?: string
  suite?: string
  site?: string
  dictionary?: string
  rank?: 'predicted' | 'actual'
  at?: string
  latent?: string
  cells?: 'narrow'
  panel?: 'depth'
  dense?: 'shown'
  special?: 'read'
}

/** Reads the microscope's state; what is not valid is left out. */
export function readMicroscope(raw: Raw): MicroscopeState {
  const at = text(raw, 'at')
  return present<MicroscopeState>({
    text: text(raw, 'text'),
    suite: text(raw, 'suite'),
    site: text(raw, 'site'),
    dictionary: text(raw, 'dictionary'),
    rank: oneOf(raw, 'rank', ['predicted', 'actual'] as const),
    at: at && /^\d+\.\d+$/.test(at) ? at : undefined,
    latent: text(raw, 'latent'),
    cells: oneOf(raw, 'cells', ['narrow'] as const),
    panel: oneOf(raw, 'panel', ['depth'] as const),
    dense: oneOf(raw, 'dense', ['shown'] as const),
    special: oneOf(raw, 'special', ['read'] as const),
  })
}

/** A latent's page: how much context examples show. */
export type LatentState = { context?: '5' | 'full' }

/** Reads a latent page's state; ±16 is the default. */
export const readLatent = (raw: Raw): LatentState =>
  present<LatentState>({ context: oneOf(raw, 'context', ['5', 'full'] as const) })

/** What can be searched, in the order of the chips. */
export const searchKinds = ['all', 'label', 'token', 'logit'] as const satisfies SearchKind[]

/** Search: the query, what is searched, and in which SAE. */
export type SearchState = { q?: string; kind?: SearchKind; sae?: string }

/** Reads the search's state. */
export function readSearch(raw: Raw): SearchState {
  const kind = oneOf(raw, 'kind', searchKinds)
  return present<SearchState>({
    q: text(raw, 'q'),
    kind: kind === 'all' ? undefined : kind,
    sae: text(raw, 'sae'),
  })
}

/** The review: which suite and site, whose labels, blind or not, and the latent as `<sae>/<index>` where one was asked for. */
export type ReviewState = {
  suite?: string
  sae?: string
  method?: LabelMethod
  author?: string
  blind?: 'on'
  at?: string
}

/** Reads the review's state. */
export const readReview = (raw: Raw): ReviewState =>
  present<ReviewState>({
    suite: text(raw, 'suite'),
    sae: text(raw, 'sae'),
    method: oneOf(raw, 'method', ['manual', 'lexical', 'llm'] as const),
    author: text(raw, 'author'),
    blind: oneOf(raw, 'blind', ['on'] as const),
    at: text(raw, 'at'),
  })

/** The suite: which suite, which SAE is opened, how its latents are sorted, what of its training is drawn, which metrics are listed. */
export type SuiteState = {
  suite?: string
  sae?: string
  sort?: 'density' | 'max_act'
  order?: 'desc'
  show?: Quantity | 'all'
  metrics?: 'all'
}

/** Reads the suite view's state. */
export const readSuite = (raw: Raw): SuiteState =>
  present<SuiteState>({
    suite: text(raw, 'suite'),
    sae: text(raw, 'sae'),
    sort: oneOf(raw, 'sort', ['density', 'max_act'] as const),
    order: oneOf(raw, 'order', ['desc'] as const),
    show: oneOf(raw, 'show', shownNames),
    metrics: oneOf(raw, 'metrics', ['all'] as const),
  })

const shownNames = ['all', ...quantityNames] as const

/** The comparison: which suites, what is drawn, over what, and at which site. */
export type CompareState = {
  suites?: string
  show?: Quantity | 'all'
  along?: 'tokens' | 'time' | undefined
  site?: string
}

/** Reads the comparison's state. */
export const readCompare = (raw: Raw): CompareState =>
  present<CompareState>({
    suites: text(raw, 'suites'),
    show: oneOf(raw, 'show', shownNames),
    along: oneOf(raw, 'along', ['tokens', 'time'] as const),
    site: text(raw, 'site'),
  })

/** Suites in the URL, joined by what no suite's name holds. */
export const formatSuites = (names: readonly string[]): string => names.join('~')

/** The reverse of formatSuites, each once, no more than `mostSuites`. */
export const parseSuites = (text: string | undefined): string[] =>
  [...new Set((text ?? '').split('~'))].filter((name) => name !== '').slice(0, mostSuites)

/** As many as there are colours that one can tell apart. */
export const mostSuites = 6

/** Steering: everything a run needs, so that a run has a URL. */
export type SteerState = {
  prompt?: string
  with?: string
  seed?: number
  temperature?: number
  tokens?: number
}

/** Reads the steering state, numbers clamped to what the server takes. */
export const readSteer = (raw: Raw): SteerState =>
  present<SteerState>({
    prompt: text(raw, 'prompt'),
    with: text(raw, 'with'),
    seed: round(numberIn(raw, 'seed', 0, 2 ** 31 - 1)),
    temperature: numberIn(raw, 'temperature', 0, 5),
    tokens: round(numberIn(raw, 'tokens', 1, 2048)),
  })

const round = (x: number | undefined) => (x === undefined ? undefined : Math.round(x))

/** An intervention with its strength decided. */
export type SetIntervention = Intervention

const modes = ['add', 'scale', 'clamp', 'ablate'] as const satisfies Intervention['mode'][]

/** Interventions as `<sae>/<latent>:<mode>:<strength>`, joined by `;`; the SAE's id is percent-encoded. */
export function formatInterventions(list: readonly SetIntervention[]): string {
  return list
    .map((i) => `${encodeURIComponent(i.sae)}/${i.latent}:${i.mode}:${i.strength}`)
    .join(';')
}

/** The reverse of formatInterventions; an item that is not valid is left out, and no more than 16 are read. */
export function parseInterventions(text: string | undefined): SetIntervention[] {
  const list: SetIntervention[] = []
  for (const item of (text ?? '').split(';').slice(0, 16)) {
    const match = /^([^/]+)\/(\d+):([a-z]+):(-?[\d.]+)$/.exec(item)
    const mode = modes.find((m) => m === match?.[3])
    const strength = Number(match?.[4])
    if (!match?.[1] || !mode || !Number.isFinite(strength)) continue
    list.push({
      sae: decode(match[1]),
      latent: Number(match[2]),
      mode,
      strength: Math.min(100, Math.max(-100, strength)),
    })
  }
  return list
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The longest text kept in the URL: a reload sends it in a header, and servers take about 16 kB of those. */
export const longestInUrl = 3_000
