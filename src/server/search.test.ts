/** Searches over HTTP, on the tiny suite. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  parsed,
  problem,
  TINY_SAE as SAE,
  serveTiny,
  type TinyServer,
} from '../../test/tinyServer.ts'
import {
  ContrastSearch,
  LatentView,
  SearchResult,
  SearchScope,
  TestResult,
  TextSearch,
  VectorSearch,
} from '../api/index.ts'

const TEXT = 'The ship came home through the fog.'
let tiny: TinyServer
let get: TinyServer['get']
let post: TinyServer['post']
beforeAll(async () => {
  tiny = await serveTiny()
  ;({ get, post } = tiny)
})
afterAll(() => tiny.close())

describe('GET /api/search', () => {
  it('finds a latent by its label', async () => {
    await post(`/api/saes/${SAE}/latents/11/labels`, { text: 'quixotic windmills' })
    const found = await parsed(SearchResult, await get('/api/search?q=windmill'))
    expect(found.hits[0]).toMatchObject({ sae: SAE, index: 11, matched: 'label' })
  })

  it('finds nothing for nothing', async () => {
    expect(await parsed(SearchResult, await get('/api/search?q='))).toMatchObject({ n_total: 0 })
  })

  it('refuses an unknown kind, and search by meaning where no label is embedded', async () => {
    await problem(await get('/api/search?q=a&kind=smell'), 400)
    expect(await problem(await get('/api/search?q=a&kind=meaning'), 409)).toContain('hooke embed')
  })

  it('keeps to the filters of its address', async () => {
    const at = async (filters: string) =>
      (await parsed(SearchResult, await get(`/api/search?q=quixotic${filters}`))).hits.length
    expect(await at('&layer_from=4&method=manual&site=hook_resid_post')).toBe(1)
    expect(await at('&layer_to=3')).toBe(0)
    expect(await at('&author=nobody')).toBe(0)
    expect((await parsed(SearchScope, await get('/api/search/scope'))).authors).toContainEqual({
      method: 'manual',
      author: 'me',
    })
  })
})

describe('POST /api/search/text', () => {
  it('ranks latents of every site by what the chosen tokens activate, as the test box has it', async () => {
    const request = { text: TEXT, tokens: [0, 2, 3], scale: 'act', max_density: 1, limit: 200 }
    const found = await parsed(TextSearch, await post('/api/search/text', request))
    expect(found.chosen).toEqual([2, 3])
    expect(found.left_out).toContain('1 special token: shown, not read')
    expect(new Set(found.hits.map(({ hook }) => hook)).size).toBeGreaterThan(1)
    const acts = found.hits.map(({ act }) => act)
    expect(acts).toEqual(acts.toSorted((a, b) => b - a))
    const hit = found.hits.find(({ sae }) => sae === SAE)!
    const { values } = await parsed(
      TestResult,
      await post(`/api/saes/${SAE}/latents/${hit.index}/test`, { text: TEXT }),
    )
    expect(hit.act).toBeCloseTo(Math.max(values[2]!, values[3]!), 5)
    expect(values[hit.token]).toBeCloseTo(hit.act, 5)
  })

  it('keeps to sites and labels, and says where no SAE is left', async () => {
    const at = (more: object) =>
      post('/api/search/text', { text: TEXT, scale: 'act', max_density: 1, ...more })
    const { hits } = await parsed(TextSearch, await at({ sae: SAE }))
    expect(new Set(hits.map(({ sae }) => sae))).toEqual(new Set([SAE]))
    expect((await parsed(TextSearch, await at({ author: 'nobody' }))).hits).toEqual([])
    expect(await problem(await at({ site: 'hook_nothing' }), 409)).toContain('widen the filters')
    expect(await problem(await at({ tokens: [99] }), 400)).toContain('token 99')
  })
})

describe('POST /api/search/vector', () => {
  it('finds a latent by its own direction, and its like without it', async () => {
    const { neighbours } = await parsed(LatentView, await get(`/api/saes/${SAE}/latents/5`))
    const like = { like: { sae: SAE, index: 5 } }
    const found = await parsed(
      VectorSearch,
      await post('/api/search/vector', { ...like, sae: SAE }),
    )
    const own = neighbours.filter(({ sae }) => sae === SAE)
    expect(found.hits[0]?.index).toBe(own[0]?.index)
    expect(found.hits[0]?.cosine).toBeCloseTo(own[0]!.cosine, 4)
    expect(found.hits.some(({ sae, index }) => sae === SAE && index === 5)).toBe(false)
  })

  it('wants a vector of a site’s width, or a latent, and not both', async () => {
    expect(await problem(await post('/api/search/vector', { vector: [1, 2] }), 400)).toContain(
      'expected 256',
    )
    const both = { vector: [1], like: { sae: SAE, index: 5 } }
    expect(await problem(await post('/api/search/vector', both), 400)).toContain('either')
    await problem(await post('/api/search/vector', {}), 400)
  })
})

describe('POST /api/search/contrast', () => {
  it('finds what differs in both directions, with standard errors and counts', async () => {
    const texts = { a: ['The ship sailed.', 'The sea was calm.'], b: ['A child.', 'He ran home.'] }
    const request = { ...texts, scale: 'act', max_density: 1, limit: 5 }
    const found = await parsed(ContrastSearch, await post('/api/search/contrast', request))
    expect(found.n_texts).toEqual({ a: 2, b: 2 })
    for (const hit of found.more_in_a) {
      expect(hit.difference).toBeCloseTo(hit.mean_a - hit.mean_b, 10)
      expect(hit.standard_error).toBeGreaterThan(0)
    }
    const swapped = { ...request, a: texts.b, b: texts.a }
    const other = await parsed(ContrastSearch, await post('/api/search/contrast', swapped))
    expect(other.more_in_b.map(({ index }) => index)).toEqual(
      found.more_in_a.map(({ index }) => index),
    )
  })
})
