/** Steering and sweeps over HTTP: what is asked reaches the model, and what comes back is the contract's. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTiny, TINY_SAE as SAE } from '../../test/tinyServer.ts'
import { SteerEvent, type SteerRequest, SweepEvent, type SweepRequest } from '../api/index.ts'

let tiny: Awaited<ReturnType<typeof openTiny>>
beforeAll(async () => {
  tiny = await openTiny()
})
afterAll(() => tiny.close())

const add = { sae: SAE, latent: 5, mode: 'add', strength: 20 } as const
const asked = { prompt: 'The ship came home', temperature: 1, seed: 3 }

async function steered(change: Partial<SteerRequest>): Promise<SteerEvent[]> {
  const request = { ...asked, max_tokens: 8, interventions: [add], ...change }
  return Array.fromAsync(tiny.api.steer(request), (event) => SteerEvent.parse(event))
}

async function swept(change: Partial<SweepRequest>): Promise<SweepEvent[]> {
  const sizes = { max_tokens: 6, n_samples: 2, strengths: [2, 0] }
  const request = { ...asked, ...sizes, interventions: [add], ...change }
  return Array.fromAsync(tiny.api.sweep(request), (event) => SweepEvent.parse(event))
}

describe('POST /api/steer', () => {
  it('gives what the model by itself makes of every token, and a third side where it is asked for', async () => {
    const events = await steered({ instruction: 'Text about ships.' })
    const done = events.at(-1)
    if (done?.type !== 'done') throw new Error('the last event is not done')
    for (const side of ['default', 'steered', 'prompted'] as const) {
      const own = events.filter((event) => event.type === 'token' && event.side === side)
      expect(own.length).toBeGreaterThan(0)
      expect(done.logprobs[side]).toHaveLength(own.length)
    }
    expect(typeof done.prompted).toBe('string')
  })

  it('positions and conditions reach the model', async () => {
    const texts = await Promise.all(
      [{}, { positions: 'prompt' }, { positions: 'answer' }, { conditional: true }].map(
        async (part) => {
          const done = (await steered({ interventions: [{ ...add, ...part } as typeof add] })).at(
            -1,
          )
          return done?.type === 'done' ? done.steered : ''
        },
      ),
    )
    expect(new Set(texts).size).toBeGreaterThan(2)
  })

  it('says that a model has no chat template', async () => {
    expect(await steered({ chat: [] })).toEqual([
      { type: 'error', error: expect.stringContaining('thimble-5m has no chat template') },
    ])
  })

  it('refuses positions that are none', async () => {
    const interventions = [{ ...add, positions: 'middle' }]
    expect((await tiny.post('/api/steer', { ...asked, interventions })).status).toBe(400)
  })
})

describe('POST /api/steer/sweep', () => {
  it('streams progress, the default, the points in order, then the band and its rule', async () => {
    const events = await swept({})
    expect(events.filter(({ type }) => type !== 'progress')).toMatchObject([
      { type: 'default', n_tokens: 12 },
      { type: 'point', strength: 0, kl: 0, verdict: 'no_effect' },
      { type: 'point', strength: 2 },
      { type: 'done', rule: expect.stringContaining('standard errors') },
    ])
    expect(events[0]).toMatchObject({ type: 'progress', n_total: 3 * 2 * 6 })
  })

  it('says in the stream what cannot be swept', async () => {
    expect(await swept({ interventions: [{ ...add, mode: 'ablate' }] })).toEqual([
      { type: 'error', error: expect.stringContaining('every intervention ablates') },
    ])
  })

  it('refuses one sample, no strength, and more than the server takes', async () => {
    for (const change of [{ n_samples: 1 }, { strengths: [] }, { max_tokens: 513 }]) {
      const body = { ...asked, interventions: [add], ...change }
      expect((await tiny.post('/api/steer/sweep', body)).status).toBe(400)
    }
  })
})
