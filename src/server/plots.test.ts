import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SuitePlot } from '../api/index.ts'
import type { HookName } from '../model/index.ts'
import { saveSae, writeMetrics } from '../sae/disk.ts'
import { saeFolder } from '../sae/index.ts'
import { answerError, notFound } from './problems.ts'
import { addPlotRoutes } from './routes/plots.ts'
import { headers } from './security.ts'

const METRICS = {
  n_tokens: 500,
  n_excluded: 2,
  l0: 3,
  fvu: 0.25,
  delta_ce_loss: 0.5,
  dead: 0.2,
  dead_window_tokens: 500,
  density_histogram: { edges: [-2, -1, 0], counts: [3, 1] },
  absent: {},
  model_hash: 'aa',
  corpus_hash: 'bb',
}

let workspace: string
const app = new OpenAPIHono()

beforeAll(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'hooke-plots-'))
  for (const hook of ['blocks.0.hook_mlp_out', 'blocks.1.hook_mlp_out'] satisfies HookName[]) {
    const path = saeFolder(join(workspace, 'small'), hook, 5, 3)
    await saveSae(path, {
      architecture: 'jumprelu',
      hook_name: hook,
      d_in: 2,
      d_sae: 5,
      W_enc: new Float32Array(10),
      b_enc: new Float32Array(5),
      W_dec: Float32Array.from({ length: 10 }, (_, i) => (i + 1) % 2),
      b_dec: new Float32Array(2),
      threshold: new Float32Array(5),
      metadata: { trained_as: 'gated' },
    })
    await writeMetrics(path, METRICS)
  }
  app.onError(answerError)
  app.use(headers)
  addPlotRoutes(app, {
    suites: {
      async named(suite) {
        if (suite !== 'small') throw notFound('there is no such suite')
        return { suite, info: { folder: join(workspace, suite), imported: {} } }
      },
    },
  })
})
afterAll(() => rm(workspace, { recursive: true }))

describe('GET /api/suites/:suite/plots', () => {
  it('lists the pictures that there are numbers for', async () => {
    const answer = await app.request('/api/suites/small/plots')
    const plots = z.array(SuitePlot).parse(await answer.json())
    expect(plots.map(({ name }) => name)).toEqual(['frontier', 'layers', 'density'])
  })

  it('draws a picture that may run nothing', async () => {
    const answer = await app.request('/api/suites/small/plots/frontier.svg')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('image/svg+xml')
    expect(answer.headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'unsafe-inline'",
    )
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    const svg = await answer.text()
    expect(svg).toMatch(/^<svg .*<\/svg>\n$/s)
    expect(svg).toContain('gated')
  })

  it('answers with a problem for pictures and suites that there are none of', async () => {
    const statusOf = async (path: string) => (await app.request(`/api/suites/${path}`)).status
    expect(await statusOf('none/plots')).toBe(404)
    expect(await statusOf('none/plots/density.svg')).toBe(404)
    expect(await statusOf('small/plots/other.svg')).toBe(400)
    expect(await statusOf('small/plots/..%2F..%2Fsuite.svg')).toBe(400)
    const absent = await app.request('/api/suites/small/plots/position.svg')
    expect(absent.status).toBe(404)
    expect(await absent.json()).toMatchObject({ error: expect.stringContaining('hooke eval') })
  })
})
