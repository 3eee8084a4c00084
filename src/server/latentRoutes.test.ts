import { afterAll, beforeAll, expect, it } from 'vitest'
import { TINY_SAE as SAE, serveTiny, type TinyServer } from '../../test/tinyServer.ts'
import {
  Depth,
  EffectHistogram,
  ExampleRun,
  LatentFamily,
  LatentView,
  Microscope,
  Problem,
} from '../api/index.ts'

const LATENT = `/api/saes/${encodeURIComponent(SAE)}/latents/3`
const TEXT = 'The ship came home through the fog.'

let tiny: TinyServer
beforeAll(async () => {
  tiny = await serveTiny()
})
afterAll(() => tiny.close())

const ask = async (path: string, body?: object): Promise<{ status: number; json: unknown }> => {
  const answer = await (body ? tiny.post(path, body) : tiny.get(path))
  return { status: answer.status, json: await answer.json() }
}

it('gives a latent’s family, its own place first, labelled', async () => {
  const { members, edges, min_cosine } = LatentFamily.parse((await ask(`${LATENT}/family`)).json)
  expect(members[0]).toMatchObject({ sae: SAE, index: 3, layer: 4 })
  for (const { from, to, cosine } of edges) {
    expect(cosine).toBeGreaterThanOrEqual(min_cosine)
    expect(Math.max(from, to)).toBeLessThan(members.length)
  }
  const missing = await ask(LATENT.replace(/3$/, '64/family'))
  expect(missing.status).toBe(404)
  expect(Problem.parse(missing.json).error).toContain('latents 0 to 63, not 64')
})

it('spreads its effects over the whole vocabulary, with the strongest at the ends', async () => {
  const { histogram } = EffectHistogram.parse((await ask(`${LATENT}/effects`)).json)
  const { top_logits, bottom_logits } = LatentView.parse((await ask(LATENT)).json)
  expect(histogram!.counts.reduce((sum, n) => sum + n, 0)).toBe(4096)
  const most = Math.max(top_logits[0]!.effect, -bottom_logits[0]!.effect)
  expect(histogram!.edges.at(-1)).toBeCloseTo(most, 3)
})

it('counts where in documents it fires: all activations, each once', async () => {
  const { positions, n_active, n_tokens } = LatentView.parse((await ask(LATENT)).json)
  const sum = (key: 'n_active' | 'n_tokens') => positions!.reduce((all, p) => all + p[key], 0)
  expect([sum('n_active'), sum('n_tokens')]).toEqual([n_active, n_tokens])
})

it('gives the activation intervals that its examples are drawn from', async () => {
  const { intervals, examples, n_active, max_act } = LatentView.parse((await ask(LATENT)).json)
  expect(intervals.reduce((sum, { n_active }) => sum + n_active!, 0)).toBe(n_active)
  expect(intervals[0]!.to).toBeGreaterThan(max_act!)
  for (const { interval, values, peak } of examples.filter(({ interval }) => interval > 0)) {
    const { from, to } = intervals.find((one) => one.interval === interval)!
    expect(values[peak]).toBeGreaterThanOrEqual(from)
    expect(values[peak]).toBeLessThan(to)
  }
})

it('runs its examples, and still finds it on at most of their peaks', async () => {
  const run = ExampleRun.parse((await ask(`${LATENT}/examples`, {})).json)
  const { examples } = LatentView.parse((await ask(LATENT)).json)
  expect(run.n_examples).toBe(examples.length)
  expect(run.n_peaks_on).toBeGreaterThan(run.n_examples / 2)
  expect(run.ablation!.at_peak!.n).toBeGreaterThan(0)
  for (const { hook, share } of run.companions) {
    expect(hook).toBe('blocks.4.hook_resid_post')
    expect(share).toBeLessThanOrEqual(1)
  }
})

it('shows only the SAEs asked for, ranked as asked, and refuses one that is not there', async () => {
  const request = { text: TEXT, suite: 'tiny', max_density: 1, rank: 'predicted' }
  const view = Microscope.parse((await ask('/api/microscope', { ...request, saes: [SAE] })).json)
  expect(view.rank).toBe('predicted')
  expect(view.rows.map(({ sae }) => sae)).toEqual([SAE])
  expect(view.rows[0]!.cells.some(([first]) => first?.effect !== undefined)).toBe(true)
  const unknown = SAE.replace('blocks.4', 'blocks.2')
  const refused = await ask('/api/microscope', { ...request, saes: [unknown] })
  expect(refused.status).toBe(404)
  expect(Problem.parse(refused.json).error).toContain('no trained SAE')
})

it('gives a token’s depth, and refuses one past the end', async () => {
  const depth = Depth.parse((await ask('/api/microscope/depth', { text: TEXT, token: 3 })).json)
  expect(depth.layers).toHaveLength(7)
  const past = await ask('/api/microscope/depth', { text: TEXT, token: 99 })
  expect(past.status).toBe(400)
  expect(Problem.parse(past.json).error).toContain('the text has tokens 0 to')
})
