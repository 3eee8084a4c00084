/** Long work: what runs, how it went, and the way to stop it. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { getRun, listRuns, pointsOf } from '../../store/index.ts'
import { Run, RunPoint } from '../api.ts'
import type { ServerContext } from '../context.ts'
import { notFound } from '../problems.ts'
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

export function addRunRoutes(app: OpenAPIHono, { db, jobs }: ServerContext): void {
  const noRun = (id: string) => notFound(`there is no run ${JSON.stringify(id)}`)

  app.openapi(listRoute, async (c) => c.json(await listRuns(db), 200))

  app.openapi(pointsRoute, async (c) => {
    const { id } = c.req.valid('param')
    if (!(await getRun(db, id))) throw noRun(id)
    return c.json(await pointsOf(db, id), 200)
  })

  app.openapi(stopRoute, async (c) => {
    const { id } = c.req.valid('param')
    const run = await jobs.stop(id)
    if (!run) throw noRun(id)
    return c.json(run, 200)
  })
}
