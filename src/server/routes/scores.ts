/** Labels by a language model, and tests of labels, as runs of the queue: what they would cost, and their order. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import {
  ExplainingOffers,
  ExplainingRequest,
  LabelScope,
  Run,
  ScoringOffers,
  ScoringRequest,
} from '../../api/index.ts'
import {
  type AskSettings,
  dueLabels,
  type ExplainingOrder,
  estimateExplaining,
  estimateScoring,
  isFree,
  localEncoder,
  SCORING_DEFAULTS,
  type ScoringOrder,
  scorerNames,
  unexplained,
} from '../../jobs/index.ts'
import { EXPLAINERS, type ExplainerName, type ScorerName } from '../../label/index.ts'
import { getRun } from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { admit, judgeView, NO_JUDGE, scopeOf } from '../judge.ts'
import { HttpProblem } from '../problems.ts'
import { answers, jsonBody } from './answers.ts'

const params = z.object({ suite: z.string() })

const scoreOffersRoute = createRoute({
  method: 'post',
  path: '/api/suites/{suite}/scores/offers',
  request: { params, body: jsonBody(LabelScope) },
  responses: answers(ScoringOffers, 'What tests of labels would ask and cost, cheapest first'),
})

const scoreRoute = createRoute({
  method: 'post',
  path: '/api/suites/{suite}/scores',
  request: { params, body: jsonBody(ScoringRequest) },
  responses: answers(Run, 'The run that tests the labels'),
})

const explainOffersRoute = createRoute({
  method: 'post',
  path: '/api/suites/{suite}/explanations/offers',
  request: { params, body: jsonBody(LabelScope) },
  responses: answers(ExplainingOffers, 'What labels by the language model would ask and cost'),
})

const explainRoute = createRoute({
  method: 'post',
  path: '/api/suites/{suite}/explanations',
  request: { params, body: jsonBody(ExplainingRequest) },
  responses: answers(Run, 'The run that labels the latents'),
})

export function addScoreRoutes(app: OpenAPIHono, context: ServerContext): void {
  const { db, jobs, judge } = context
  const shown = judge ? { judge: judgeView(judge) } : {}

  const ordered = async (order: Parameters<typeof jobs.enqueueAsking>[0]) => {
    const run = await getRun(db, await jobs.enqueueAsking(order))
    if (!run) throw new Error('the run that was ordered is not in the database')
    return run
  }

  const scoring = async (
    suite: string,
    scope: z.output<typeof LabelScope>,
    scorers: readonly ScorerName[],
  ): Promise<ScoringOrder> => ({
    ...SCORING_DEFAULTS,
    ...(await scopeOf(context, suite, scope)),
    scorers,
    ask: judge,
    encoder: await localEncoder(db),
  })

  const explaining = async (
    suite: string,
    scope: z.output<typeof LabelScope>,
    { explainer, ask }: { explainer: ExplainerName; ask: AskSettings },
  ): Promise<ExplainingOrder> => {
    const { n_tokens } = SCORING_DEFAULTS
    return { ...(await scopeOf(context, suite, scope)), n_tokens, explainer, ask }
  }

  app.openapi(scoreOffersRoute, async (c) => {
    const order = await scoring(c.req.valid('param').suite, c.req.valid('json'), scorerNames)
    const costs = await estimateScoring(order, await dueLabels(db, order))
    const offers = costs.map((cost) => {
      const absent = absence(cost.scorer, order)
      return { ...cost, ...(absent === undefined ? {} : { absent }) }
    })
    return c.json({ offers, ...shown }, 200)
  })

  app.openapi(scoreRoute, async (c) => {
    const { scorers, ...scope } = c.req.valid('json')
    const order = await scoring(c.req.valid('param').suite, scope, scorers)
    for (const scorer of scorers) {
      const absent = absence(scorer, order)
      if (absent !== undefined) throw new HttpProblem(409, `${scorer}: ${absent}`)
    }
    await admit(context, sumOf(await estimateScoring(order, await dueLabels(db, order))))
    return c.json(await ordered({ kind: 'score', config: order }), 200)
  })

  app.openapi(explainOffersRoute, async (c) => {
    if (!judge) return c.json({ offers: [] }, 200)
    const { suite } = c.req.valid('param')
    const offers = []
    for (const explainer of Object.keys(EXPLAINERS) as ExplainerName[]) {
      const order = await explaining(suite, c.req.valid('json'), { explainer, ask: judge })
      const costs = await costsOf(order)
      const n_latents = costs.reduce((n, { latents }) => n + latents.length, 0)
      const priced = judge.prices ? { cost: sumOf(costs) } : {}
      offers.push({ explainer, n_latents, ...priced })
    }
    return c.json({ offers, ...shown }, 200)
  })

  app.openapi(explainRoute, async (c) => {
    if (!judge) throw new HttpProblem(409, `labelling ${NO_JUDGE}`)
    const { explainer, ...scope } = c.req.valid('json')
    const order = await explaining(c.req.valid('param').suite, scope, { explainer, ask: judge })
    await admit(context, sumOf(await costsOf(order)))
    return c.json(await ordered({ kind: 'explain', config: order }), 200)
  })

  const costsOf = async (order: ExplainingOrder) =>
    Promise.all(
      (await unexplained(db, order)).map(async (due) => ({
        ...due,
        ...(await estimateExplaining(order, due)),
      })),
    )
}

const sumOf = (costs: readonly { cost?: number }[]): number =>
  costs.reduce((sum, { cost = 0 }) => sum + cost, 0)

/** Why a scorer cannot be ordered here; undefined where it can. */
function absence(scorer: ScorerName, order: ScoringOrder): string | undefined {
  const { ask } = order
  if (isFree(scorer, order)) return undefined
  if (ask === undefined) return NO_JUDGE
  if (scorer === 'embedding' && ask.embedding_model === undefined)
    return `${ask.provider} has no embedding model`
  return undefined
}
