/** Default and steered text, streamed side by side. */
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { streamSSE } from 'hono/streaming'
import { SteerEvent, SteerRequest } from '../../api/index.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem } from '../problems.ts'
import { eventStream, jsonBody } from './answers.ts'

const steerRoute = createRoute({
  method: 'post',
  path: '/api/steer',
  request: { body: jsonBody(SteerRequest) },
  responses: eventStream(SteerEvent, 'Tokens of both sides as they come, then both texts'),
})

export function addSteerRoutes(app: OpenAPIHono, { inference, suites }: ServerContext): void {
  app.openapi(steerRoute, async (c) => {
    const { interventions, ...request } = c.req.valid('json')
    const targets = await Promise.all(interventions.map(({ sae }) => suites.trained(sae)))
    const [first] = targets
    if (!first || targets.some(({ suite }) => suite !== first.suite))
      throw new HttpProblem(400, 'interventions name several suites; steer one suite at a time')
    const resolved = interventions.map(({ sae: _, ...rest }, i) => ({
      ...rest,
      dir: targets[i]!.dir,
    }))
    const stop = new AbortController()
    const events = inference.steer(
      { ...request, model: first.model, interventions: resolved },
      stop.signal,
    )
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => stop.abort())
      const write = (event: SteerEvent) => stream.writeSSE({ data: JSON.stringify(event) })
      try {
        for await (const event of events) await write(event)
      } catch (error) {
        if (stop.signal.aborted) return
        await write({
          type: 'error',
          error: error instanceof Error ? error.message : String(error),
        })
      }
    })
  })
}
