/** What each layer makes of each token of a text; one latent on a text. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { Microscope, MicroscopeRequest, SaeId, TestRequest, TestResult } from '../../api/index.ts'
import { labelledChips } from '../chips.ts'
import type { ServerContext } from '../context.ts'
import { answers, jsonBody } from './answers.ts'

const microscopeRoute = createRoute({
  method: 'post',
  path: '/api/microscope',
  request: { body: jsonBody(MicroscopeRequest) },
  responses: answers(Microscope, 'Layers by tokens'),
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
    const { suite: name, ...request } = c.req.valid('json')
    const suite = await suites.folder(name)
    const view = await inference.call('microscope', { ...request, suite }, c.req.raw.signal)
    return c.json({ ...view, latents: await labelledChips(db, view.latents) }, 200)
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
