/** The latents of an SAE as a list, and one of them with everything that was measured. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import {
  EffectHistogram,
  ExampleRun,
  LatentFamily,
  LatentList,
  LatentSort,
  LatentView,
  SaeId,
} from '../../api/index.ts'
import { intervalsOf } from '../../latents/index.ts'
import { readSaeConfig } from '../../sae/disk.ts'
import { labelsOf, latentChips, listLatents, scoresOf } from '../../store/index.ts'
import { labelledChips } from '../chips.ts'
import type { ServerContext } from '../context.ts'
import { latentFamily, type Member, MIN_COSINE, namedNeighbours } from '../latentFamily.ts'
import { HttpProblem } from '../problems.ts'
import { snippetsOf } from '../snippets.ts'
import type { SaeOnDisk } from '../suites.ts'
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
  request: {
    params: z.object({ sae: SaeId, index: z.coerce.number().int().min(0) }),
    query: z.object({
      /** `false`: without its own labels and those of its neighbours, for whoever is to guess. */
      labels: z.enum(['true', 'false']).default('true'),
    }),
  },
  responses: answers(LatentView, 'Everything known about one latent'),
})

const ofLatent = {
  params: z.object({ sae: SaeId, index: z.coerce.number().int().min(0) }),
}

const familyRoute = createRoute({
  method: 'get',
  path: '/api/saes/{sae}/latents/{index}/family',
  request: ofLatent,
  responses: answers(LatentFamily, 'Latents with near decoder directions, layer by layer'),
})

const effectsRoute = createRoute({
  method: 'get',
  path: '/api/saes/{sae}/latents/{index}/effects',
  request: ofLatent,
  responses: answers(EffectHistogram, 'How its logit effects spread over the vocabulary'),
})

const examplesRoute = createRoute({
  method: 'post',
  path: '/api/saes/{sae}/latents/{index}/examples',
  request: ofLatent,
  responses: answers(ExampleRun, 'Its examples run again: who fires along, what ablating it does'),
})

export function addLatentRoutes(app: OpenAPIHono, context: ServerContext): void {
  const { db, inference, suites, latents } = context

  /** The SAE with such a latent. @throws HttpProblem 404 if it has none by that index. */
  const saeOf = async ({ sae: id, index }: { sae: string; index: number }): Promise<SaeOnDisk> => {
    const sae = await suites.indexed(id)
    if (index >= sae.d_sae)
      throw new HttpProblem(404, `${sae.hook} has latents 0 to ${sae.d_sae - 1}, not ${index}`)
    return sae
  }
  /** Stored neighbours, each with its SAE of the same suite; none of an SAE that is not indexed. Each SAE is looked up once. */
  const readsNeighbours = () => {
    const looked = new Map<string, ReturnType<typeof lookUp>>()
    const lookUp = async (id: string) => {
      const sae = await suites.trained(id)
      return { sae, saeAt: await suites.siblings(sae) }
    }
    return async ({ sae: id, index }: Pick<Member, 'sae' | 'index'>) => {
      if (!looked.has(id)) looked.set(id, lookUp(id))
      const { sae, saeAt } = await looked.get(id)!
      if (sae.state !== 'indexed' && sae.state !== 'labelled') return []
      const { record } = await latents.record(sae.dir, index)
      return namedNeighbours(record, saeAt)
    }
  }

  app.openapi(listRoute, async (c) => {
    const { sae } = c.req.valid('param')
    await suites.sae(sae)
    return c.json(await listLatents(db, sae, c.req.valid('query')), 200)
  })

  app.openapi(viewRoute, async (c) => {
    const { sae: id, index } = c.req.valid('param')
    const sae = await saeOf({ sae: id, index })
    const { record, n_tokens, n_intervals } = await latents.record(sae.dir, index)
    const pieceOf = await latents.pieces(sae.folder)
    const effects = (list: typeof record.top_logits) =>
      list.map(({ id, effect }) => ({ piece: pieceOf(id), effect }))
    const named = c.req.valid('query').labels === 'true'
    const [chip] = named ? await latentChips(db, id, [index]) : []
    const neighbours = namedNeighbours(record, await suites.siblings(sae))
    const label_scores = named ? await scoresOf(db, id, index) : []
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
        ...(record.positions ? { positions: [...record.positions] } : {}),
        histogram: {
          edges: [...record.histogram.edges],
          counts: [...record.histogram.counts],
        },
        intervals: intervalsOf(record.max_act, n_intervals, record.histogram.counts),
        examples: record.examples.map(({ ids, values, ...example }) => ({
          ...example,
          pieces: Array.from(ids, pieceOf),
          values: [...values],
        })),
        top_logits: effects(record.top_logits),
        bottom_logits: effects(record.bottom_logits),
        neighbours: named ? await labelledChips(db, neighbours) : neighbours,
        labels: named ? await labelsOf(db, id, index) : [],
        ...(label_scores.length === 0 ? {} : { label_scores }),
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

  app.openapi(familyRoute, async (c) => {
    const { sae: id, index } = c.req.valid('param')
    const { hook } = await saeOf({ sae: id, index })
    const { members, edges } = await latentFamily({ sae: id, hook, index }, readsNeighbours())
    const layered = members.map((member) => {
      const layer = /^blocks\.(\d+)\./.exec(member.hook)?.[1]
      return { ...member, ...(layer === undefined ? {} : { layer: Number(layer) }) }
    })
    const named = await labelledChips(db, layered)
    const answer = { members: named, edges: [...edges], min_cosine: MIN_COSINE }
    return c.json(answer, 200)
  })

  app.openapi(effectsRoute, async (c) => {
    const { sae: id, index } = c.req.valid('param')
    const { model, dir } = await saeOf({ sae: id, index })
    const request = { model, dir, latent: index }
    return c.json(await inference.call('effects', request, c.req.raw.signal), 200)
  })

  app.openapi(examplesRoute, async (c) => {
    const { sae: id, index } = c.req.valid('param')
    const { model, dir, hook } = await saeOf({ sae: id, index })
    const { record } = await latents.record(dir, index)
    const passages = record.examples.map(({ ids, peak }) => ({ ids, peak }))
    const found = await inference.call(
      'examples',
      { model, dir, latent: index, passages },
      c.req.raw.signal,
    )
    const companions = found.companions.map((one) => ({ sae: id, hook, ...one }))
    return c.json({ ...found, companions: await labelledChips(db, companions) }, 200)
  })
}
