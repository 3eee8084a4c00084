/** Tests of labels as runs of the queue: what they would cost, and their order. Keys stay in the environment of the server. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { Run, ScoringOffers, ScoringRequest, ScoringScope } from '../../api/index.ts'
import {
  type AskSettings,
  dueLabels,
  estimateScoring,
  SCORING_DEFAULTS,
  type ScoringOrder,
  scorerNames,
} from '../../jobs/index.ts'
import { type ScorerName, urlOf } from '../../label/index.ts'
import { getRun, hasEnded, listRuns } from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem } from '../problems.ts'
import { answers, jsonBody } from './answers.ts'

/** Tests that may wait at once. */
const MOST_WAITING = 20

const params = z.object({ suite: z.string() })

const offersRoute = createRoute({
  method: 'post',
  path: '/api/suites/{suite}/scores/offers',
  request: { params, body: jsonBody(ScoringScope) },
  responses: answers(ScoringOffers, 'What tests of labels would ask and cost, cheapest first'),
})

const orderRoute = createRoute({
  method: 'post',
  path: '/api/suites/{suite}/scores',
  request: { params, body: jsonBody(ScoringRequest) },
  responses: answers(Run, 'The run that tests the labels'),
})

export function addScoreRoutes(app: OpenAPIHono, context: ServerContext): void {
  const { db, jobs, judge, suites } = context

  const orderOf = async (
    name: string,
    { sae, index, n_latents }: z.output<typeof ScoringScope>,
    scorers: readonly ScorerName[],
  ): Promise<ScoringOrder> => {
    const { info } = await suites.named(name)
    const named = sae !== undefined && index !== undefined
    if (named) await suites.indexed(sae)
    const latents = named ? [{ sae, latent: index }] : n_latents
    return { ...SCORING_DEFAULTS, out: info.folder, latents, scorers, ask: judge }
  }

  app.openapi(offersRoute, async (c) => {
    const scope = c.req.valid('json')
    const order = await orderOf(c.req.valid('param').suite, scope, scorerNames)
    const costs = await estimateScoring(order, await dueLabels(db, order))
    const offers = costs.map((cost) => {
      const absent = absence(cost.scorer, judge)
      return { ...cost, ...(absent === undefined ? {} : { absent }) }
    })
    const shown = judge && {
      model: judge.model,
      where: new URL(urlOf(judge)).host,
      ...(judge.max_cost === undefined ? {} : { max_cost: judge.max_cost }),
    }
    return c.json({ offers, ...(shown ? { judge: shown } : {}) }, 200)
  })

  app.openapi(orderRoute, async (c) => {
    const { scorers, ...scope } = c.req.valid('json')
    for (const scorer of scorers) {
      const absent = absence(scorer, judge)
      if (absent !== undefined) throw new HttpProblem(409, `${scorer}: ${absent}`)
    }
    const waiting = (await listRuns(db)).filter(
      (run) => run.kind === 'score' && !hasEnded(run.state),
    )
    if (waiting.length >= MOST_WAITING)
      throw new HttpProblem(
        503,
        `${waiting.length} tests of labels are waiting; let them end first`,
      )
    const order = await orderOf(c.req.valid('param').suite, scope, scorers)
    await refuseAboveCap(order)
    const run = await getRun(db, await jobs.enqueueScoring(order))
    if (!run) throw new Error('the run that was ordered is not in the database')
    return c.json(run, 200)
  })

  /** The cap would stop it anyway, but in the middle. */
  const refuseAboveCap = async (order: ScoringOrder) => {
    const max_cost = judge?.max_cost
    if (max_cost === undefined) return
    const costs = await estimateScoring(order, await dueLabels(db, order))
    const cost = costs.reduce((sum, one) => sum + (one.cost ?? 0), 0)
    if (cost > max_cost)
      throw new HttpProblem(
        409,
        `this would cost about $${cost.toFixed(2)}, and a run may spend $${max_cost.toFixed(2)}. Take fewer latents or tests, or start the server with a higher --max-cost.`,
      )
  }
}

/** Why a scorer cannot be ordered here; undefined where it can. */
function absence(scorer: ScorerName, judge: AskSettings | undefined): string | undefined {
  if (scorer === 'lexical') return undefined
  if (judge === undefined)
    return 'asks a language model, and this server knows none. Start it with --provider, or with OPENAI_API_KEY, ANTHROPIC_API_KEY or GOOGLE_GENERATIVE_AI_API_KEY in its environment.'
  if (scorer === 'embedding' && judge.embedding_model === undefined)
    return `${judge.provider} has no embedding model`
  return undefined
}
