/** The latents of an SAE as a list, and one of them with everything that was measured. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { LatentList, LatentSort, LatentView, SaeId } from '../../api/index.ts'
import { readSaeConfig } from '../../sae/disk.ts'
import { labelsOf, latentChips, listLatents } from '../../store/index.ts'
import { labelledChips } from '../chips.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem } from '../problems.ts'
import { snippetsOf } from '../snippets.ts'
import { answers } from './answers.ts'

const listRoute = createRoute({
  method: 'get',
  path: '/api/saes/{sae}/latents',
  request: {
    params: z.object({ sae: SaeId }),
    query: z.object({
      sort: LatentSort.default('index'),
      order: z.enum(['asc', 'desc']).default('asc'),
      offset: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(500).default(50),
    }),
  },
  responses: answers(LatentList, 'A page of the SAE’s latents'),
})

const viewRoute = createRoute({
  method: 'get',
  path: '/api/saes/{sae}/latents/{index}',
  request: { params: z.object({ sae: SaeId, index: z.coerce.number().int().min(0) }) },
  responses: answers(LatentView, 'Everything known about one latent'),
})

export function addLatentRoutes(app: OpenAPIHono, context: ServerContext): void {
  const { db, suites, latents } = context

  app.openapi(listRoute, async (c) => {
    const { sae } = c.req.valid('param')
    await suites.sae(sae)
    return c.json(await listLatents(db, sae, c.req.valid('query')), 200)
  })

  app.openapi(viewRoute, async (c) => {
    const { sae: id, index } = c.req.valid('param')
    const sae = await suites.indexed(id)
    if (index >= sae.d_sae)
      throw new HttpProblem(404, `${sae.hook} has latents 0 to ${sae.d_sae - 1}, not ${index}`)
    const { record, n_tokens } = await latents.record(sae.dir, index)
    const pieceOf = await latents.pieces(sae.folder)
    const effects = (list: typeof record.top_logits) =>
      list.map(({ id, effect }) => ({ piece: pieceOf(id), effect }))
    const [chip] = await latentChips(db, id, [index])
    const neighbours = []
    const siblingAt = await suites.siblings(sae)
    for (const { hook, index, cosine } of record.neighbours) {
      const there = siblingAt(hook)
      if (there) neighbours.push({ sae: there.id, hook, index, cosine })
    }
    return c.json(
      {
        ...(chip ?? { sae: id, hook: sae.hook, index }),
        d_sae: sae.d_sae,
        ...(sae.layer === undefined ? {} : { layer: sae.layer }),
        density: record.density,
        max_act: record.max_act,
        n_active: record.n_active,
        n_tokens,
        mean_act: record.mean_act,
        histogram: {
          edges: [...record.histogram.edges],
          counts: [...record.histogram.counts],
        },
        examples: record.examples.map(({ ids, values, ...example }) => ({
          ...example,
          pieces: Array.from(ids, pieceOf),
          values: [...values],
        })),
        top_logits: effects(record.top_logits),
        bottom_logits: effects(record.bottom_logits),
        neighbours: await labelledChips(db, neighbours),
        labels: await labelsOf(db, id, index),
        snippets: snippetsOf({
          dir: sae.dir,
          model: sae.model,
          latent: index,
          config: await readSaeConfig(sae.dir),
        }),
      },
      200,
    )
  })
}
