/** A typed client of the HTTP API. It needs fetch and nothing else, so it runs in browsers and in Node. */
import type {
  CompareModelsEvent,
  CompareModelsRequest,
  ComparePromptsRequest,
  PromptComparison,
} from './compare.ts'
import type { Event } from './events.ts'
import type { LabelsImported, LabelView, NewLabel, NewVote } from './labels.ts'
import type {
  EffectHistogram,
  ExampleRun,
  LatentFamily,
  LatentList,
  LatentSort,
  LatentView,
  TestResult,
} from './latents.ts'
import type { Depth, DepthRequest, Microscope, MicroscopeRequest } from './microscope.ts'
import { type Method, type RequestOptions, sendRequest } from './request.ts'
import type { Agreement, NewReview, Review, ReviewFilter, ReviewQueue } from './review.ts'
import type {
  ExplainingOffers,
  ExplainingRequest,
  LabelScope,
  ScoringOffers,
  ScoringRequest,
} from './scores.ts'
import type {
  ContrastRequest,
  ContrastSearch,
  SearchFilters,
  SearchKind,
  SearchResult,
  SearchScope,
  TextSearch,
  TextSearchRequest,
  VectorSearch,
  VectorSearchRequest,
} from './search.ts'
import { readEvents } from './sse.ts'
import type { SteerEvent, SteerRequest, SweepEvent, SweepRequest } from './steer.ts'
import type { Run, RunPoint, SelfTest, SuiteOrigin, SuitePlot, Workspace } from './suites.ts'

/** Every operation by its name here and in the OpenAPI description: method and path. A test holds it to the registered routes. */
export const operations = {
  workspace: 'GET /api/workspace',
  events: 'GET /api/events',
  microscope: 'POST /api/microscope',
  depth: 'POST /api/microscope/depth',
  latents: 'GET /api/saes/{sae}/latents',
  latent: 'GET /api/saes/{sae}/latents/{index}',
  latentFamily: 'GET /api/saes/{sae}/latents/{index}/family',
  latentEffects: 'GET /api/saes/{sae}/latents/{index}/effects',
  runExamples: 'POST /api/saes/{sae}/latents/{index}/examples',
  testLatent: 'POST /api/saes/{sae}/latents/{index}/test',
  addLabel: 'POST /api/saes/{sae}/latents/{index}/labels',
  retireLabel: 'DELETE /api/labels/{id}',
  undoLabel: 'POST /api/labels/{id}/undo',
  voteOnLabel: 'POST /api/labels/{id}/votes',
  exportLabels: 'GET /api/suites/{suite}/labels.jsonl',
  importLabels: 'POST /api/suites/{suite}/labels',
  offerScores: 'POST /api/suites/{suite}/scores/offers',
  scoreLabels: 'POST /api/suites/{suite}/scores',
  offerExplanations: 'POST /api/suites/{suite}/explanations/offers',
  explainLatents: 'POST /api/suites/{suite}/explanations',
  reviewQueue: 'GET /api/reviews/queue',
  saveReview: 'POST /api/reviews',
  undoReview: 'DELETE /api/reviews/{id}',
  agreement: 'GET /api/reviews/agreement',
  search: 'GET /api/search',
  searchScope: 'GET /api/search/scope',
  searchText: 'POST /api/search/text',
  searchVector: 'POST /api/search/vector',
  searchContrast: 'POST /api/search/contrast',
  steer: 'POST /api/steer',
  sweep: 'POST /api/steer/sweep',
  comparePrompts: 'POST /api/compare/prompts',
  compareModels: 'POST /api/compare/models',
  runs: 'GET /api/runs',
  runPoints: 'GET /api/runs/{id}/points',
  pauseRun: 'POST /api/runs/{id}/pause',
  continueRun: 'POST /api/runs/{id}/continue',
  stopRun: 'POST /api/runs/{id}/stop',
  suite: 'GET /api/suites/{suite}',
  suitePoints: 'GET /api/suites/{suite}/points',
  suitePlots: 'GET /api/suites/{suite}/plots',
  suitePlot: 'GET /api/suites/{suite}/plots/{file}',
  selfTests: 'GET /api/suites/{suite}/self-tests',
} as const satisfies Record<string, `${Method} /api/${string}`>

type OfSae = { sae: string }
type OfLatent = { sae: string; index: number }
type OfRun = { id: string }
type OfSuite = { suite: string }
type Page = { offset?: number; limit?: number }

/** What each operation takes, path and query and body in one object, and what it answers, once or as a stream of events. */
type Calls = {
  workspace: { answers: Workspace }
  events: { streams: Event }
  microscope: { takes: MicroscopeRequest; answers: Microscope }
  depth: { takes: DepthRequest; answers: Depth }
  latents: {
    takes: OfSae & Page & { sort?: LatentSort; order?: 'asc' | 'desc' }
    answers: LatentList
  }
  latent: { takes: OfLatent & { labels?: boolean }; answers: LatentView }
  latentFamily: { takes: OfLatent; answers: LatentFamily }
  latentEffects: { takes: OfLatent; answers: EffectHistogram }
  runExamples: { takes: OfLatent; answers: ExampleRun }
  testLatent: { takes: OfLatent & { text: string }; answers: TestResult }
  addLabel: { takes: OfLatent & NewLabel; answers: LabelView }
  retireLabel: { takes: { id: number }; answers: LabelView }
  undoLabel: { takes: { id: number }; answers: LabelView[] }
  voteOnLabel: { takes: { id: number } & NewVote; answers: LabelView }
  exportLabels: { takes: OfSuite & { format?: 'hooke' | 'neuronpedia' }; answers: string }
  importLabels: { takes: OfSuite & { lines: string; sae?: string }; answers: LabelsImported }
  offerScores: { takes: OfSuite & LabelScope; answers: ScoringOffers }
  scoreLabels: { takes: OfSuite & ScoringRequest; answers: Run }
  offerExplanations: { takes: OfSuite & LabelScope; answers: ExplainingOffers }
  explainLatents: { takes: OfSuite & ExplainingRequest; answers: Run }
  reviewQueue: {
    takes: ReviewFilter & { reviewer?: string; blind?: boolean; limit?: number }
    answers: ReviewQueue
  }
  saveReview: { takes: NewReview; answers: Review }
  undoReview: { takes: { id: number }; answers: Review }
  agreement: { takes: ReviewFilter; answers: Agreement[] }
  search: {
    takes: Page & SearchFilters & { q: string; kind?: SearchKind }
    answers: SearchResult
  }
  searchScope: { answers: SearchScope }
  searchText: { takes: TextSearchRequest; answers: TextSearch }
  searchVector: { takes: VectorSearchRequest; answers: VectorSearch }
  searchContrast: { takes: ContrastRequest; answers: ContrastSearch }
  steer: { takes: SteerRequest; streams: SteerEvent }
  sweep: { takes: SweepRequest; streams: SweepEvent }
  comparePrompts: { takes: ComparePromptsRequest; answers: PromptComparison }
  compareModels: { takes: CompareModelsRequest; streams: CompareModelsEvent }
  runs: { answers: Run[] }
  runPoints: { takes: OfRun; answers: RunPoint[] }
  pauseRun: { takes: OfRun; answers: Run }
  continueRun: { takes: OfRun; answers: Run }
  stopRun: { takes: OfRun; answers: Run }
  suite: { takes: OfSuite; answers: SuiteOrigin }
  suitePoints: { takes: OfSuite; answers: RunPoint[] }
  suitePlots: { takes: OfSuite; answers: SuitePlot[] }
  suitePlot: { takes: OfSuite & { file: `${string}.svg` }; answers: string }
  selfTests: { takes: OfSuite; answers: SelfTest[] }
}

/** The name of an operation. */
export type Operation = keyof typeof operations

type Options = {
  readonly signal?: AbortSignal | undefined
  /** Of a stream: called once the server has answered, before the first event. */
  readonly onOpen?: () => void
}
type Given<K extends Operation> = Calls[K] extends { takes: infer T }
  ? [given: T, options?: Options]
  : [given?: Record<string, never>, options?: Options]
type Answer<K extends Operation> = Calls[K] extends { streams: infer E }
  ? AsyncGenerator<E, void, undefined>
  : Promise<Calls[K] extends { answers: infer A } ? A : never>

/** One function an operation. A refusal is an ApiError; breaking off the loop over a stream, or its signal, ends it. */
export type Client = { readonly [K in Operation]: (...given: Given<K>) => Answer<K> }

/** How a client reaches its server. */
export type ClientOptions = {
  /** Sent as `Authorization: Bearer`; by default the `token` in the address, as `hooke serve` prints it. */
  readonly token?: string | undefined
  /** What carries the requests; the global fetch by default. */
  readonly fetch?: RequestOptions['fetch']
}

/** Operations that answer with a stream of events. */
const STREAMS: ReadonlySet<Operation> = new Set(['events', 'steer', 'sweep', 'compareModels'])

/**
 * A client of the server at `url`.
 * @param url as `hooke serve` prints it, with or without `?token=`.
 * @throws TypeError if `url` is no address; what it makes throws ApiError.
 */
export function createClient(url: string | URL, options: ClientOptions = {}): Client {
  const token = options.token ?? new URL(url).searchParams.get('token') ?? undefined
  const carried: RequestOptions = {
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    ...(options.fetch ? { fetch: options.fetch } : {}),
  }
  const send = (operation: Operation, given: object, signal: AbortSignal | undefined) => {
    const { method, path, body } = requestOf(operation, given)
    const address = new URL(path, url).href
    return sendRequest(method, address, { ...carried, body, signal })
  }
  async function* stream(operation: Operation, given: object, { signal, onOpen }: Options) {
    const response = await send(operation, given, signal)
    onOpen?.()
    yield* readEvents(response)
  }
  async function ask(operation: Operation, given: object, { signal }: Options) {
    const response = await send(operation, given, signal)
    const isJson = response.headers.get('content-type')?.includes('json')
    return isJson ? response.json() : response.text()
  }
  const entries = (Object.keys(operations) as Operation[]).map((operation) => {
    const call = STREAMS.has(operation) ? stream : ask
    return [
      operation,
      (given: object = {}, options: Options = {}) => call(operation, given, options),
    ]
  })
  return Object.fromEntries(entries) as Client
}

/** The address of a GET operation below its server, as for a link to what it answers. */
export const addressOf = <K extends Operation>(operation: K, given: Given<K>[0]): string =>
  requestOf(operation, given ?? {}).path

/**
 * The request of an operation: what its path names goes there, the rest is its query (GET, DELETE) or its body.
 * @throws TypeError where something that the path names is not given.
 */
function requestOf(
  operation: Operation,
  given: object,
): { method: Method; path: string; body?: object } {
  const [method, template] = operations[operation].split(' ') as [Method, string]
  const rest: Record<string, unknown> = { ...given }
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name]
    delete rest[name]
    if (value === undefined)
      throw new TypeError(`${operation}: ${name} is missing; it is in ${template}`)
    return encodeURIComponent(String(value))
  })
  if (method !== 'GET' && method !== 'DELETE')
    return { method, path, ...(Object.keys(rest).length > 0 ? { body: rest } : {}) }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(rest))
    if (value !== undefined) query.set(name, String(value))
  return { method, path: query.size > 0 ? `${path}?${query}` : path }
}
