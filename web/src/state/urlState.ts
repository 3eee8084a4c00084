/** The page's state as it stands in the URL: plain strings, short names, defaults left out. */
import type { Intervention, LabelMethod, SearchFilters } from '../../../src/api/index.ts'
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

/** What can be searched for, in the order of the chips: words, then what the model is needed for. */
export const searchModes = [
  'all',
  'label',
  'token',
  'logit',
  'meaning',
  'text',
  'vector',
  'contrast',
] as const
export type SearchMode = (typeof searchModes)[number]

/** Search: what is looked for, in which way, and among which latents. */
export type SearchState = Filters & {
  /** The query, the text or the numbers of a vector. */
  q?: string
  kind?: SearchMode
  /** A latent as `<sae>/<index>` whose direction is searched for. */
  like?: string
  /** Positions of the chosen tokens of the text, joined by dots. */
  tokens?: string
  by?: 'mean'
  scale?: 'act'
  dense?: 'shown'
  /** Texts to contrast, one a line. */
  a?: string
  b?: string
}

/** Reads the search's state. */
export function readSearch(raw: Raw): SearchState {
  const kind = oneOf(raw, 'kind', searchModes)
  return present<SearchState>({
    q: text(raw, 'q'),
    kind: kind === 'all' ? undefined : kind,
    like: text(raw, 'like'),
    tokens: text(raw, 'tokens'),
    by: oneOf(raw, 'by', ['mean'] as const),
    scale: oneOf(raw, 'scale', ['act'] as const),
    dense: oneOf(raw, 'dense', ['shown'] as const),
    a: text(raw, 'a'),
    b: text(raw, 'b'),
    ...readFilters(raw),
  })
}

const methods = ['manual', 'lexical', 'llm'] as const satisfies SearchFilters['method'][]

/** Which latents a search may find, as the server has it. */
export type Filters = { [K in keyof SearchFilters]?: Exclude<SearchFilters[K], undefined> }

/** Reads filters. */
export const readFilters = (raw: Raw): Filters =>
  present<Filters>({
    suite: text(raw, 'suite'),
    sae: text(raw, 'sae'),
    layer_from: round(numberIn(raw, 'layer_from', 0, 10_000)),
    layer_to: round(numberIn(raw, 'layer_to', 0, 10_000)),
    site: text(raw, 'site'),
    density_from: numberIn(raw, 'density_from', 0, 1),
    density_to: numberIn(raw, 'density_to', 0, 1),
    score_from: numberIn(raw, 'score_from', 0, 1),
    method: oneOf(raw, 'method', methods),
    author: text(raw, 'author'),
  })

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

/** What can be compared, in the order of the tabs. */
export const compareTabs = ['suites', 'prompts', 'models'] as const

/**
 * The comparison. Suites: which, what is drawn, over what, and at which site. Prompts: both texts. Models: the other one, and
 * the text, or how much of the suite's own. Of those two the suite, the focus as `row.column`, the locked latent.
 */
export type CompareState = {
  tab?: (typeof compareTabs)[number]
  suite?: string
  a?: string
  b?: string
  model?: string
  text?: string
  tokens?: number
  at?: string
  latent?: string
  dense?: 'shown'
  suites?: string
  show?: Quantity | 'all'
  along?: 'tokens' | 'time' | undefined
  site?: string
}

/** Reads the comparison's state. */
export const readCompare = (raw: Raw): CompareState =>
  present<CompareState>({
    tab: oneOf(raw, 'tab', compareTabs),
    suite: text(raw, 'suite'),
    a: text(raw, 'a'),
    b: text(raw, 'b'),
    model: text(raw, 'model'),
    text: text(raw, 'text'),
    tokens: round(numberIn(raw, 'tokens', 1, 100_000)),
    at: /^\d+\.\d+$/.test(String(raw.at)) ? text(raw, 'at') : undefined,
    latent: text(raw, 'latent'),
    dense: oneOf(raw, 'dense', ['shown'] as const),
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
  /** Stands in front of the prompt of a third text. */
  instruction?: string
  chat?: 'on'
  /** What the user said before in the chat, a JSON list of texts. */
  turns?: string
  /** Strengths of the sweep: where absent, those of the strength's own sign. */
  doses?: 'up' | 'down' | 'both'
  samples?: number
}

/** Reads the steering state, numbers clamped to what the server takes. */
export const readSteer = (raw: Raw): SteerState =>
  present<SteerState>({
    prompt: text(raw, 'prompt'),
    with: text(raw, 'with'),
    seed: round(numberIn(raw, 'seed', 0, 2 ** 31 - 1)),
    temperature: numberIn(raw, 'temperature', 0, 5),
    tokens: round(numberIn(raw, 'tokens', 1, 2048)),
    instruction: text(raw, 'instruction'),
    chat: oneOf(raw, 'chat', ['on'] as const),
    turns: text(raw, 'turns'),
    doses: oneOf(raw, 'doses', ['up', 'down', 'both'] as const),
    samples: round(numberIn(raw, 'samples', 2, 32)),
  })

/** What the user said before, as `turns` has it; nothing where it is no list of texts. */
export function parseTurns(text: string | undefined): string[] {
  if (text === undefined) return []
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) && list.every((turn) => typeof turn === 'string')
      ? list.slice(0, 64)
      : []
  } catch {
    return []
  }
}

/** Learning: the suite, and the latent as `<sae>/<index>` where one was asked for. */
export type LearnState = { suite?: string; latent?: string }

/** Reads the learning view's state. */
export const readLearn = (raw: Raw): LearnState =>
  present<LearnState>({ suite: text(raw, 'suite'), latent: text(raw, 'latent') })

const round = (x: number | undefined) => (x === undefined ? undefined : Math.round(x))

/** An intervention with its strength decided. */
export type SetIntervention = Intervention

const modes = ['add', 'scale', 'clamp', 'ablate'] as const satisfies Intervention['mode'][]

/**
 * Interventions as `<sae>/<latent>:<mode>:<strength>`, with `:prompt` or `:answer` where they do not act on all tokens, then
 * `:firing` where they act on firing ones only and `:frame` where on special ones too; joined by `;`. The SAE's id is percent-encoded.
 */
export function formatInterventions(list: readonly SetIntervention[]): string {
  return list
    .map((i) => {
      const where = i.positions === undefined || i.positions === 'all' ? '' : `:${i.positions}`
      const when = `${i.conditional ? ':firing' : ''}${i.frame ? ':frame' : ''}`
      return `${encodeURIComponent(i.sae)}/${i.latent}:${i.mode}:${i.strength}${where}${when}`
    })
    .join(';')
}

/** The reverse of formatInterventions; an item that is not valid is left out, and no more than 16 are read. */
export function parseInterventions(text: string | undefined): SetIntervention[] {
  const list: SetIntervention[] = []
  for (const item of (text ?? '').split(';').slice(0, 16)) {
    const match =
      /^([^/]+)\/(\d+):([a-z]+):(-?[\d.]+)(?::(prompt|answer))?(:firing)?(:frame)?$/.exec(item)
    const mode = modes.find((m) => m === match?.[3])
    const strength = Number(match?.[4])
    if (!match?.[1] || !mode || !Number.isFinite(strength)) continue
    list.push({
      sae: decode(match[1]),
      latent: Number(match[2]),
      mode,
      strength: Math.min(100, Math.max(-100, strength)),
      ...(match[5] === undefined ? {} : { positions: match[5] === 'prompt' ? 'prompt' : 'answer' }),
      ...(match[6] === undefined ? {} : { conditional: true }),
      ...(match[7] === undefined ? {} : { frame: true }),
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
