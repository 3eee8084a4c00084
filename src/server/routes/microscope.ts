/** What each layer makes of each token of a text; one latent on a text. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import {
  Depth,
  DepthRequest,
  Microscope,
  MicroscopeRequest,
  SaeId,
  TestRequest,
  TestResult,
} from '../../api/index.ts'
import { labelledChips } from '../chips.ts'
import type { ServerContext } from '../context.ts'
import type { SuiteFolder } from '../inferenceProtocol.ts'
import { notFound } from '../problems.ts'
import { answers, jsonBody } from './answers.ts'

const microscopeRoute = createRoute({
  method: 'post',
  path: '/api/microscope',
  request: { body: jsonBody(MicroscopeRequest) },
  responses: answers(Microscope, 'Layers by tokens'),
})

const depthRoute = createRoute({
  method: 'post',
  path: '/api/microscope/depth',
  request: { body: jsonBody(DepthRequest) },
  responses: answers(Depth, 'One token through the layers'),
})

const testRoute = createRoute({
  method: 'post',
  path: '/api/saes/{sae}/latents/{index}/test',
  request: {
    params: z.object({ sae: SaeId, index: z.coerce.number().int().min(0) }),
    body: jsonBody(TestRequest),
  },
  responses: answers(TestResult, 'The latent on every token of the text'),
})

export function addMicroscopeRoutes(app: OpenAPIHono, context: ServerContext): void {
  const { db, inference, suites } = context

  app.openapi(microscopeRoute, async (c) => {
    const { suite: name, saes, ...request } = c.req.valid('json')
    const suite = onlyThese(await suites.folder(name), saes)
    const view = await inference.call('microscope', { ...request, suite }, c.req.raw.signal)
    return c.json({ ...view, latents: await labelledChips(db, view.latents) }, 200)
  })

  app.openapi(depthRoute, async (c) => {
    const { suite, text, token } = c.req.valid('json')
    const { model } = await suites.folder(suite)
    return c.json(await inference.call('depth', { model, text, token }, c.req.raw.signal), 200)
  })

  app.openapi(testRoute, async (c) => {
    const { sae, index } = c.req.valid('param')
    const { model, dir } = await suites.trained(sae)
    const { text } = c.req.valid('json')
    const result = await inference.call(
      'test',
      { model, dir, latent: index, text },
      c.req.raw.signal,
    )
    return c.json(result, 200)
  })
}

/** A suite with some of its SAEs. @throws HttpProblem 404 if it has no trained one of a name. */
function onlyThese(suite: SuiteFolder, ids: readonly string[] | undefined): SuiteFolder {
  if (ids === undefined) return suite
  const missing = ids.find((id) => !suite.saes.some((sae) => sae.id === id))
  if (missing !== undefined)
    throw notFound(`suite ${suite.suite} has no trained SAE ${JSON.stringify(missing)}`)
  return { ...suite, saes: suite.saes.filter(({ id }) => ids.includes(id)) }
}
