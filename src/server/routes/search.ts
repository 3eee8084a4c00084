/** Search over labels, the tokens latents fire on, and the tokens they raise. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { SaeId, SearchKind, SearchResult } from '../../api/index.ts'
import { searchLatents } from '../../search/index.ts'
import type { ServerContext } from '../context.ts'
import { answers } from './answers.ts'

const searchRoute = createRoute({
  method: 'get',
  path: '/api/search',
  request: {
    query: z.object({
      q: z.string().max(1000),
      sae: SaeId.optional(),
      kind: SearchKind.default('all'),
      limit: z.coerce.number().int().min(1).max(200).default(30),
      offset: z.coerce.number().int().min(0).default(0),
    }),
  },
  responses: answers(SearchResult, 'Latents, best match first'),
})

export function addSearchRoutes(app: OpenAPIHono, { db }: ServerContext): void {
  app.openapi(searchRoute, async (c) => {
    const { q, sae, ...rest } = c.req.valid('query')
    const found = await searchLatents(db, { query: q, ...rest, ...(sae ? { sae } : {}) })
    return c.json(found, 200)
  })
}
