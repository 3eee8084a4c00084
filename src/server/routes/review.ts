/** The review queue: what waits, decisions and their undo, and agreement measured blind. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { Agreement, NewReview, Review, ReviewFilter, ReviewQueue } from '../../api/index.ts'
import {
  agreement,
  blindSample,
  claimants,
  reviewProgress,
  reviewQueue,
  saveReview,
  undoReview,
} from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem, notFound } from '../problems.ts'
import { answers, jsonBody } from './answers.ts'

const MAX_ID = 2 ** 31 - 1

const queueRoute = createRoute({
  method: 'get',
  path: '/api/reviews/queue',
  request: {
    query: ReviewFilter.extend({
      reviewer: z.string().trim().min(1).max(100).default('me'),
      /** `true`: drawn at random, so that what is measured holds for all. */
      blind: z.enum(['true', 'false']).default('false'),
      limit: z.coerce.number().int().min(1).max(100).default(20),
    }),
  },
  responses: answers(ReviewQueue, 'What this reviewer should look at next'),
})

const saveRoute = createRoute({
  method: 'post',
  path: '/api/reviews',
  request: { body: jsonBody(NewReview) },
  responses: answers(Review, 'The decision as kept'),
})

const undoRoute = createRoute({
  method: 'delete',
  path: '/api/reviews/{id}',
  request: { params: z.object({ id: z.coerce.number().int().min(0).max(MAX_ID) }) },
  responses: answers(Review, 'The decision, taken back with its vote or label'),
})

const agreementRoute = createRoute({
  method: 'get',
  path: '/api/reviews/agreement',
  request: { query: ReviewFilter },
  responses: answers(z.array(Agreement), 'Agreement of blind guesses with labels, by their author'),
})

export function addReviewRoutes(app: OpenAPIHono, { db, hub, suites }: ServerContext): void {
  app.openapi(queueRoute, async (c) => {
    const { blind, ...asked } = c.req.valid('query')
    const items = await (blind === 'true' ? blindSample : reviewQueue)(db, asked)
    const progress = await reviewProgress(db, asked)
    return c.json({ items, ...progress, claimants: await claimants(db, asked) }, 200)
  })

  app.openapi(saveRoute, async (c) => {
    const entry = c.req.valid('json')
    const sae = await suites.sae(entry.sae)
    if (entry.latent >= sae.d_sae)
      throw new HttpProblem(404, `${sae.hook} has latents 0 to ${sae.d_sae - 1}`)
    const review = await saveReview(db, entry)
    if (review.decision !== 'skip') hub.publish({ type: 'changed', what: 'labels' })
    return c.json(review, 200)
  })

  app.openapi(undoRoute, async (c) => {
    const { id } = c.req.valid('param')
    const review = await undoReview(db, id)
    if (!review)
      throw notFound(`there is no review ${id}; it may have been taken back in another window`)
    if (review.decision !== 'skip') hub.publish({ type: 'changed', what: 'labels' })
    return c.json(review, 200)
  })

  app.openapi(agreementRoute, async (c) => c.json(await agreement(db, c.req.valid('query')), 200))
}
