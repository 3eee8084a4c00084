/** Labels by hand: set, and withdrawn. Both keep what was there as history. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { Label, NewLabel, SaeId } from '../../api/index.ts'
import { addLabel, retireLabel } from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem, notFound } from '../problems.ts'
import { answers, jsonBody } from './answers.ts'

const MAX_ID = 2 ** 31 - 1

const addRoute = createRoute({
  method: 'post',
  path: '/api/saes/{sae}/latents/{index}/labels',
  request: {
    params: z.object({ sae: SaeId, index: z.coerce.number().int().min(0) }),
    body: jsonBody(NewLabel),
  },
  responses: answers(Label, 'The label as kept'),
})

const retireRoute = createRoute({
  method: 'delete',
  path: '/api/labels/{id}',
  request: { params: z.object({ id: z.coerce.number().int().min(0).max(MAX_ID) }) },
  responses: answers(Label, 'The label, withdrawn'),
})

export function addLabelRoutes(app: OpenAPIHono, { db, hub, suites }: ServerContext): void {
  app.openapi(addRoute, async (c) => {
    const { sae: id, index } = c.req.valid('param')
    const { text, author } = c.req.valid('json')
    const sae = await suites.sae(id)
    if (index >= sae.d_sae)
      throw new HttpProblem(404, `${sae.hook} has latents 0 to ${sae.d_sae - 1}, not ${index}`)
    const label = await addLabel(db, {
      sae: id,
      latent: index,
      text,
      method: 'manual',
      author,
      evidence: 'written by hand',
    })
    hub.publish({ type: 'changed', what: 'labels' })
    return c.json(label, 200)
  })

  app.openapi(retireRoute, async (c) => {
    const { id } = c.req.valid('param')
    const label = await retireLabel(db, id)
    if (!label) throw notFound(`there is no label ${id}`)
    hub.publish({ type: 'changed', what: 'labels' })
    return c.json(label, 200)
  })
}
