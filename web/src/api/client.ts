/** A typed fetch over the server's contract. Types only: no schema, and so no zod, reaches the bundle. */
import type {
  Agreement,
  ComparePromptsRequest,
  ContrastRequest,
  ContrastSearch,
  Depth,
  DepthRequest,
  EffectHistogram,
  ExampleRun,
  LabelView,
  LatentFamily,
  LatentList,
  LatentView,
  Microscope,
  MicroscopeRequest,
  NewLabel,
  NewReview,
  NewVote,
  PromptComparison,
  Review,
  ReviewFilter,
  ReviewQueue,
  Run,
  RunPoint,
  SearchFilters,
  SearchKind,
  SearchResult,
  SearchScope,
  SelfTest,
  SuiteOrigin,
  TestResult,
  TextSearch,
  TextSearchRequest,
  VectorSearch,
  VectorSearchRequest,
  Workspace,
} from '../../../src/api/index.ts'
import { sendRequest } from '../../../src/api/request.ts'
import { siteIndexAt } from '../state/site.ts'

export { ApiError } from '../../../src/api/request.ts'

/**
 * Sends a request and gives the successful response.
 * @throws ApiError with the server's Problem text, or status 0 where nothing answered.
 */
export const send = (
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> =>
  siteIndexAt === undefined
    ? sendRequest(method, path, { body, signal })
    : import('./site.ts').then(({ answerFromSite }) =>
        answerFromSite(siteIndexAt ?? '', method, path, body),
      )

async function call<T>(...request: Parameters<typeof send>): Promise<T> {
  const response = await send(...request)
  return (await response.json()) as T
}

/** What can be done about a run. */
export type RunChange = 'pause' | 'continue' | 'stop'

/** A picture that the server draws of a suite. */
export type Plot = { readonly name: string; readonly title: string }

/** The address of a picture. */
export const plotAt = (suite: string, name: string) =>
  siteIndexAt === undefined ? plotFrom(suite, name) : `data/plots/${encodeURIComponent(name)}.svg`

const plotFrom = (suite: string, name: string) =>
  `${suiteAt(suite)}/plots/${encodeURIComponent(name)}.svg`

const suiteAt = (suite: string) => `/api/suites/${encodeURIComponent(suite)}`

const at = (sae: string) => `/api/saes/${encodeURIComponent(sae)}/latents`

/** What the latent list is sorted by. */
export type LatentOrder = { sort: 'index' | 'density' | 'max_act'; order: 'asc' | 'desc' }

/** Which latents wait for whom; blind ones are drawn at random. */
export type ReviewQuery = ReviewFilter & { reviewer: string; blind: boolean }

/** The labels of a suite as a file. */
export const labelsAt = (suite: string) => `${suiteAt(suite)}/labels.jsonl`

/** What words are looked for, where, and among which latents. */
export type WordSearch = SearchFilters & { q: string; kind: SearchKind }

const queryOf = (query: Readonly<Record<string, string | number | boolean | undefined>>) =>
  new URLSearchParams(
    Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  )

/** One function per route of `src/api/index.ts`, but for the two event streams. */
export const api = {
  workspace: (signal?: AbortSignal) => call<Workspace>('GET', '/api/workspace', undefined, signal),

  microscope: (request: MicroscopeRequest, signal?: AbortSignal) =>
    call<Microscope>('POST', '/api/microscope', request, signal),

  depth: (request: DepthRequest, signal?: AbortSignal) =>
    call<Depth>('POST', '/api/microscope/depth', request, signal),

  latents: (sae: string, by: LatentOrder, offset: number, limit: number, signal?: AbortSignal) =>
    call<LatentList>(
      'GET',
      `${at(sae)}?sort=${by.sort}&order=${by.order}&offset=${offset}&limit=${limit}`,
      undefined,
      signal,
    ),

  latent: (sae: string, index: number, signal?: AbortSignal) =>
    call<LatentView>('GET', `${at(sae)}/${index}`, undefined, signal),

  latentFamily: (sae: string, index: number, signal?: AbortSignal) =>
    call<LatentFamily>('GET', `${at(sae)}/${index}/family`, undefined, signal),

  latentEffects: (sae: string, index: number, signal?: AbortSignal) =>
    call<EffectHistogram>('GET', `${at(sae)}/${index}/effects`, undefined, signal),

  runExamples: (sae: string, index: number) =>
    call<ExampleRun>('POST', `${at(sae)}/${index}/examples`),

  testLatent: (sae: string, index: number, text: string, signal?: AbortSignal) =>
    call<TestResult>('POST', `${at(sae)}/${index}/test`, { text }, signal),

  addLabel: (sae: string, index: number, label: NewLabel) =>
    call<LabelView>('POST', `${at(sae)}/${index}/labels`, label),

  retireLabel: (id: number) => call<LabelView>('DELETE', `/api/labels/${id}`),

  undoLabel: (id: number) => call<LabelView[]>('POST', `/api/labels/${id}/undo`),

  voteOnLabel: (id: number, vote: NewVote) =>
    call<LabelView>('POST', `/api/labels/${id}/votes`, vote),

  reviewQueue: (query: ReviewQuery, signal?: AbortSignal) =>
    call<ReviewQueue>('GET', `/api/reviews/queue?${queryOf(query)}`, undefined, signal),

  saveReview: (review: NewReview) => call<Review>('POST', '/api/reviews', review),

  undoReview: (id: number) => call<Review>('DELETE', `/api/reviews/${id}`),

  agreement: (filter: ReviewFilter, signal?: AbortSignal) =>
    call<Agreement[]>('GET', `/api/reviews/agreement?${queryOf(filter)}`, undefined, signal),

  search: (query: WordSearch & { offset: number; limit: number }, signal?: AbortSignal) =>
    call<SearchResult>('GET', `/api/search?${queryOf(query)}`, undefined, signal),

  searchScope: (signal?: AbortSignal) =>
    call<SearchScope>('GET', '/api/search/scope', undefined, signal),

  searchText: (request: TextSearchRequest, signal?: AbortSignal) =>
    call<TextSearch>('POST', '/api/search/text', request, signal),

  searchVector: (request: VectorSearchRequest, signal?: AbortSignal) =>
    call<VectorSearch>('POST', '/api/search/vector', request, signal),

  searchContrast: (request: ContrastRequest, signal?: AbortSignal) =>
    call<ContrastSearch>('POST', '/api/search/contrast', request, signal),

  points: (suite: string, signal?: AbortSignal) =>
    call<RunPoint[]>('GET', `${suiteAt(suite)}/points`, undefined, signal),

  origin: (suite: string, signal?: AbortSignal) =>
    call<SuiteOrigin>('GET', suiteAt(suite), undefined, signal),

  selfTests: (suite: string, signal?: AbortSignal) =>
    call<SelfTest[]>('GET', `${suiteAt(suite)}/self-tests`, undefined, signal),

  plots: (suite: string, signal?: AbortSignal) =>
    call<Plot[]>('GET', `${suiteAt(suite)}/plots`, undefined, signal),

  plot: async (suite: string, name: string, signal?: AbortSignal) =>
    (await send('GET', plotFrom(suite, name), undefined, signal)).text(),

  comparePrompts: (request: ComparePromptsRequest, signal?: AbortSignal) =>
    call<PromptComparison>('POST', '/api/compare/prompts', request, signal),

  changeRun: (run: string, to: RunChange) =>
    call<Run>('POST', `/api/runs/${encodeURIComponent(run)}/${to}`),
}
