/** The HTTP application: guards, routes, the OpenAPI description, the page. No socket is opened here. */
import { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import type { ServerContext } from './context.ts'
import { describeApi } from './openapi.ts'
import { answerError, describeIssues, HttpProblem, notFound } from './problems.ts'
import { addCompareRoutes } from './routes/compare.ts'
import { addEventRoutes } from './routes/events.ts'
import { addLabelRoutes, LABELS_PATH } from './routes/labels.ts'
import { addLatentRoutes } from './routes/latents.ts'
import { addMicroscopeRoutes } from './routes/microscope.ts'
import { addPlotRoutes } from './routes/plots.ts'
import { addReviewRoutes } from './routes/review.ts'
import { addRunRoutes } from './routes/runs.ts'
import { addScoreRoutes } from './routes/scores.ts'
import { addSearchRoutes } from './routes/search.ts'
import { addSelfTestRoutes } from './routes/selfTests.ts'
import { addSteerRoutes } from './routes/steer.ts'
import { addSuiteRoutes } from './routes/suites.ts'
import { addWorkspaceRoutes } from './routes/workspace.ts'
import { headers, limitWork, requireToken, sameHost } from './security.ts'
import { staticPage } from './staticPage.ts'

/** The largest request: 20,000 characters of text at four bytes, escaped, and room for the rest. */
const MAX_BODY_BYTES = 256 * 1024
/** The largest file of labels, as JSON. */
const MAX_IMPORT_BYTES = 32 * 2 ** 20

const limitBody = (bytes: number) =>
  bodyLimit({
    maxSize: bytes,
    onError: () => {
      throw new HttpProblem(413, `the request is larger than ${bytes / 1024} KiB`)
    },
  })

/**
 * The application over a context.
 * @param options.token asked for on every path where given.
 * @param options.any_host true where the server listens beyond loopback.
 * @param options.page folder of the built page.
 */
export function createApp(
  context: ServerContext,
  options: { token?: string; any_host: boolean; page: string },
): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw new HttpProblem(400, describeIssues(result.error))
    },
  })
  app.onError(answerError)
  app.use(headers)
  app.use(sameHost({ any_host: options.any_host }))
  if (options.token !== undefined) app.use(requireToken(options.token))
  app.use('/api/*', limitWork())
  const [small, large] = [limitBody(MAX_BODY_BYTES), limitBody(MAX_IMPORT_BYTES)]
  app.use('/api/*', (c, next) => (LABELS_PATH.test(c.req.path) ? large : small)(c, next))

  addWorkspaceRoutes(app, context)
  addEventRoutes(app, context)
  addMicroscopeRoutes(app, context)
  addLatentRoutes(app, context)
  addLabelRoutes(app, context)
  addScoreRoutes(app, context)
  addReviewRoutes(app, context)
  addSearchRoutes(app, context)
  addSteerRoutes(app, context)
  addCompareRoutes(app, context)
  addRunRoutes(app, context)
  addSuiteRoutes(app, context)
  addPlotRoutes(app, context)
  addSelfTestRoutes(app, context)
  app.get('/api/openapi.json', (c) => c.json(describeApi(app, context.version)))
  app.all('/api/*', (c) => {
    throw notFound(`${c.req.method} ${c.req.path} is not part of the API; see /api/openapi.json`)
  })
  app.use(staticPage(options.page))
  app.notFound((c) => c.json({ error: `there is nothing at ${c.req.path}` }, 404))
  return app
}
