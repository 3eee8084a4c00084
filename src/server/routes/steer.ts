/** Steered texts side by side, and sweeps over strengths, streamed. */
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import {
  type Intervention,
  SteerEvent,
  SteerRequest,
  SweepEvent,
  SweepRequest,
} from '../../api/index.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem } from '../problems.ts'
import { eventStream, jsonBody, relay } from './answers.ts'

const steerRoute = createRoute({
  method: 'post',
  path: '/api/steer',
  request: { body: jsonBody(SteerRequest) },
  responses: eventStream(SteerEvent, 'Tokens of all sides as they come, then the texts'),
})

const sweepRoute = createRoute({
  method: 'post',
  path: '/api/steer/sweep',
  request: { body: jsonBody(SweepRequest) },
  responses: eventStream(
    SweepEvent,
    'How far it is, then what was measured by default and at each strength, then the useful band',
  ),
})

export function addSteerRoutes(app: OpenAPIHono, { inference, suites }: ServerContext): void {
  /** A request with the folders of its SAEs and their suite's model. */
  const resolve = async <T extends { interventions: readonly Intervention[] }>(asked: T) => {
    const { interventions, ...rest } = asked
    const targets = await Promise.all(interventions.map(({ sae }) => suites.trained(sae)))
    const [first] = targets
    if (!first || targets.some(({ suite }) => suite !== first.suite))
      throw new HttpProblem(400, 'interventions name several suites; steer one suite at a time')
    const resolved = interventions.map(({ sae: _, ...own }, i) => ({
      ...own,
      dir: targets[i]!.dir,
    }))
    return { ...rest, model: first.model, interventions: resolved }
  }

  app.openapi(steerRoute, async (c) => {
    const request = await resolve(c.req.valid('json'))
    return relay(c, (signal) => inference.stream('steer', request, signal))
  })

  app.openapi(sweepRoute, async (c) => {
    const request = await resolve(c.req.valid('json'))
    return relay(c, (signal) => inference.stream('sweep', request, signal))
  })
}
