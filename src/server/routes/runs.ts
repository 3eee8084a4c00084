/** Long work: what runs, how it went, and the ways to pause it, let it go on and stop it. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { Run, RunPoint } from '../../api/index.ts'
import { getRun, listRuns, pointsOf } from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem, notFound } from '../problems.ts'
import { answers } from './answers.ts'

const RunId = z.object({ id: z.string().regex(/^[\w-]{1,100}$/) })

const listRoute = createRoute({
  method: 'get',
  path: '/api/runs',
  responses: answers(z.array(Run), 'Runs, newest first'),
})

const pointsRoute = createRoute({
  method: 'get',
  path: '/api/runs/{id}/points',
  request: { params: RunId },
  responses: answers(z.array(RunPoint), 'Training curves'),
})

const stopRoute = createRoute({
  method: 'post',
  path: '/api/runs/{id}/stop',
  request: { params: RunId },
  responses: answers(Run, 'The run, stopped at its checkpoint, or as it had ended before'),
})

const pauseRoute = createRoute({
  method: 'post',
  path: '/api/runs/{id}/pause',
  request: { params: RunId },
  responses: answers(Run, 'The run, paused between two pieces of work, or as it ended meanwhile'),
})

const continueRoute = createRoute({
  method: 'post',
  path: '/api/runs/{id}/continue',
  request: { params: RunId },
  responses: answers(Run, 'The run that goes on; a new one for one that was stopped or failed'),
})

export function addRunRoutes(app: OpenAPIHono, { db, jobs }: ServerContext): void {
  const noRun = (id: string) => notFound(`there is no run ${JSON.stringify(id)}`)

  app.openapi(listRoute, async (c) => c.json(await listRuns(db), 200))

  app.openapi(pointsRoute, async (c) => {
    const { id } = c.req.valid('param')
    if (!(await getRun(db, id))) throw noRun(id)
    return c.json(await pointsOf(db, id), 200)
  })

  /** What the queue makes of a run. @throws HttpProblem 404 if there is none, 409 if it is in no state for that. */
  const changed = async (id: string, change: (id: string) => Promise<Run | undefined>) => {
    const run = await change(id).catch((error: unknown) => {
      if (error instanceof RangeError) throw new HttpProblem(409, error.message, { cause: error })
      throw error
    })
    if (!run) throw noRun(id)
    return run
  }

  app.openapi(pauseRoute, async (c) =>
    c.json(await changed(c.req.valid('param').id, (id) => jobs.pause(id)), 200),
  )

  app.openapi(continueRoute, async (c) =>
    c.json(await changed(c.req.valid('param').id, (id) => jobs.continue(id)), 200),
  )

  app.openapi(stopRoute, async (c) =>
    c.json(await changed(c.req.valid('param').id, (id) => jobs.stop(id)), 200),
  )
}
