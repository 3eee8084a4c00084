/** What lies in the workspace and what runs in it. */
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { Workspace } from '../../api/index.ts'
import { listRuns } from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { answers } from './answers.ts'

/** Shown where no corpus offers one. */
const OWN_SAMPLE = 'The old lighthouse keeper counted the ships as they came home through the fog.'

const workspaceRoute = createRoute({
  method: 'get',
  path: '/api/workspace',
  responses: answers(Workspace, 'Suites, runs and the model'),
})

export function addWorkspaceRoutes(app: OpenAPIHono, context: ServerContext): void {
  app.openapi(workspaceRoute, async (c) => {
    const suites = await context.suites.present()
    const name = suites.find(({ info }) => info.model !== undefined)?.info.model
    const model = name === undefined ? undefined : context.model(name)
    return c.json(
      {
        version: context.version,
        ...(model ? { model } : {}),
        suites: suites.map(({ name, saes }) => ({ name, saes })),
        runs: await listRuns(context.db),
        sample_text: suites.find(({ info }) => info.sample_text)?.info.sample_text ?? OWN_SAMPLE,
      },
      200,
    )
  })
}
