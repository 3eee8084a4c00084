/** Search over labels and tokens in the database; by a text, a direction or contrast in the inference thread. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import {
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
} from '../../api/index.ts'
import {
  LOOKED_THROUGH,
  passesFilters,
  searchByMeaning,
  searchLatents,
  searchScope,
  shownHits,
} from '../../search/index.ts'
import type { ServerContext } from '../context.ts'
import type { SuiteFolder } from '../inferenceProtocol.ts'
import { HttpProblem } from '../problems.ts'
import { answers, jsonBody } from './answers.ts'

const searchRoute = createRoute({
  method: 'get',
  path: '/api/search',
  request: {
    query: SearchFilters.extend({
      q: z.string().max(1000),
      kind: SearchKind.default('all'),
      limit: z.coerce.number().int().min(1).max(200).default(30),
      offset: z.coerce.number().int().min(0).max(10_000).default(0),
    }),
  },
  responses: answers(SearchResult, 'Latents, best match first'),
})

const scopeRoute = createRoute({
  method: 'get',
  path: '/api/search/scope',
  responses: answers(SearchScope, 'What searches may be restricted to'),
})

const textRoute = createRoute({
  method: 'post',
  path: '/api/search/text',
  request: { body: jsonBody(TextSearchRequest) },
  responses: answers(TextSearch, 'Latents by their activation on the text'),
})

const vectorRoute = createRoute({
  method: 'post',
  path: '/api/search/vector',
  request: { body: jsonBody(VectorSearchRequest) },
  responses: answers(VectorSearch, 'Latents by the cosine of their decoder rows'),
})

const contrastRoute = createRoute({
  method: 'post',
  path: '/api/search/contrast',
  request: { body: jsonBody(ContrastRequest) },
  responses: answers(ContrastSearch, 'Latents by the difference of their mean activation'),
})

export function addSearchRoutes(app: OpenAPIHono, context: ServerContext): void {
  const { db, inference, suites, embedders } = context

  app.openapi(searchRoute, async (c) => {
    const { q: query, kind, ...options } = c.req.valid('query')
    if (kind !== 'meaning') return c.json(await searchLatents(db, { ...options, query, kind }), 200)
    const found = await searchByMeaning(db, (source) => embedders.get(source), {
      ...options,
      query,
      signal: c.req.raw.signal,
    })
    if (!found)
      throw new HttpProblem(
        409,
        'no label is embedded, so there is no search by meaning; run `hooke embed SUITE --model …`',
      )
    return c.json(found, 200)
  })

  app.openapi(scopeRoute, async (c) => c.json(await searchScope(db), 200))

  app.openapi(textRoute, async (c) => {
    const started = performance.now()
    const { text, tokens, by, scale, max_density, limit, ...filters } = c.req.valid('json')
    const suite = await folderOf(filters)
    const ranked = await inference.call(
      'textSearch',
      {
        suite,
        text,
        tokens,
        by,
        scale,
        max_density,
        most: LOOKED_THROUGH,
      },
      c.req.raw.signal,
    )
    const left_out = [...ranked.left_out, ...(await otherSuites(filters, suite))]
    const hits = await shownHits(db, ranked.hits, { filters, limit, left_out })
    return c.json({ ...ranked, hits, left_out, took_ms: performance.now() - started }, 200)
  })

  app.openapi(vectorRoute, async (c) => {
    const started = performance.now()
    const { vector, like, limit, ...filters } = c.req.valid('json')
    const at = like && (await suites.trained(like.sae))
    const suite = await folderOf({ suite: at?.suite, ...filters })
    const nearest = await inference.call(
      'vectorSearch',
      {
        suite,
        ...(vector ? { vector } : {}),
        ...(like && at
          ? { like: { id: at.id, hook: at.hook, dir: at.dir, index: like.index } }
          : {}),
        most: LOOKED_THROUGH,
      },
      c.req.raw.signal,
    )
    const left_out = [...nearest.left_out, ...(await otherSuites(filters, suite))]
    const hits = await shownHits(db, nearest.hits, { filters, limit, left_out })
    return c.json({ ...nearest, hits, left_out, took_ms: performance.now() - started }, 200)
  })

  app.openapi(contrastRoute, async (c) => {
    const started = performance.now()
    const { a, b, scale, max_density, limit, ...filters } = c.req.valid('json')
    const suite = await folderOf(filters)
    const contrast = await inference.call(
      'contrastSearch',
      { suite, a, b, scale, max_density, most: LOOKED_THROUGH },
      c.req.raw.signal,
    )
    const left_out = [...contrast.left_out, ...(await otherSuites(filters, suite))]
    const asked = { filters, limit, left_out }
    const more_in_a = await shownHits(db, contrast.more_in_a, asked)
    const more_in_b = await shownHits(db, contrast.more_in_b, asked)
    const took_ms = performance.now() - started
    return c.json({ ...contrast, more_in_a, more_in_b, left_out, took_ms }, 200)
  })

  /** The suite asked for, with the SAEs that pass the filters. */
  async function folderOf(filters: SearchFilters): Promise<SuiteFolder> {
    const name = filters.suite ?? (filters.sae && (await suites.sae(filters.sae)).suite)
    const suite = await suites.folder(name)
    const saes = suite.saes.filter((sae) => passesFilters(sae, filters))
    if (saes.length === 0)
      throw new HttpProblem(
        409,
        suite.saes.length === 0
          ? `no SAE of ${suite.suite} is trained yet; wait for the first`
          : `none of the ${suite.saes.length} trained SAEs of ${suite.suite} is of that layer and site; widen the filters`,
      )
    return { ...suite, saes }
  }

  /** Weights are searched a suite at a time, each having its model; said where no suite was asked for. */
  async function otherSuites(
    { suite, sae }: SearchFilters,
    searched: SuiteFolder,
  ): Promise<string[]> {
    if (suite !== undefined || sae !== undefined) return []
    const [row] = await db.query<{ n: number }>(
      'select count(distinct suite)::int as n from hooke.saes',
    )
    return row!.n > 1
      ? [
          `all suites but ${searched.suite}: they are searched one at a time, by the filter on suites`,
        ]
      : []
  }
}
