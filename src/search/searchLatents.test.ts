import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addLabels, type Database, openDatabase, putLatents, upsertSae } from '../store/index.ts'
import { searchLatents } from './searchLatents.ts'

const A = 'tiny~blocks.0.hook_resid_post~width_100~l0_3'
const B = 'other~blocks.1.hook_resid_post~width_100~l0_3'
let db: Database

/** 100 latents: 0 to 9 as described below, the rest on tokens of their own that no query asks for. */
const special: Record<
  number,
  { top_tokens: string[]; top_logits?: string[]; density?: number; max_act?: number }
> = {
  0: { top_tokens: [' moon', ' moon', ' moon', ' sun'] },
  1: { top_tokens: [' moon', ' sea', ' sun', ' star'] },
  2: { top_tokens: [' Moon', ' Moon', ' Moon', ' Moon'] },
  3: { top_tokens: [' night'], top_logits: [' moon', ' star'] },
  4: { top_tokens: [' moonlight'] },
  5: { top_tokens: ['"', "'", '\\', '%', '_'] },
  6: { top_tokens: [' twin'], density: 0.01, max_act: 2 },
  7: { top_tokens: [' twin'], density: 0.001, max_act: 2 },
  8: { top_tokens: [' twin'], density: 0.001, max_act: 3 },
}

beforeAll(async () => {
  db = await openDatabase('memory://')
  for (const [id, suite, layer] of [
    [A, 'tiny', 0],
    [B, 'other', 1],
  ] as const) {
    await upsertSae(db, {
      id,
      suite,
      hook: `blocks.${layer}.hook_resid_post`,
      layer,
      d_in: 5,
      d_sae: 100,
    })
    await putLatents(
      db,
      id,
      Array.from({ length: 100 }, (_, index) => ({
        index,
        density: 0.01,
        n_active: 10,
        max_act: 1,
        mean_act: 0.5,
        top_logits: [],
        ...((id === A && special[index]) || { top_tokens: [` own${index}`] }),
      })),
    )
  }
  const label = (
    sae: string,
    latent: number,
    text: string,
    method: 'manual' | 'lexical' | 'llm',
  ) => ({
    sae,
    latent,
    text,
    method,
    author: method,
    evidence: '',
  })
  await addLabels(db, [
    { ...label(A, 20, 'moving ships', 'llm'), score: 0.8, score_method: 'detection' },
    label(A, 21, 'move', 'lexical'),
    label(A, 22, 'verbs: move', 'lexical'),
    label(A, 23, 'verbs: move', 'manual'),
    label(A, 24, 'verbs: move', 'llm'),
    label(A, 25, 'elephants in the room', 'lexical'),
    label(A, 26, 'the', 'lexical'),
    label(A, 27, `it's 100% "quoted" \\ _ ☃`, 'manual'),
    label(A, 0, '“moon”', 'lexical'),
    label(B, 20, 'moving ships', 'llm'),
  ])
})
afterAll(() => db.close())

const indices = async (query: string, more: object = {}) =>
  (await searchLatents(db, { query, sae: A, ...more })).hits.map((hit) => hit.index)

describe('searchLatents', () => {
  it('puts the label of just these words first, then labels that hold them by trust, then other forms of the word', async () => {
    expect(await indices('move')).toEqual([21, 23, 24, 22, 20])
  })

  it('finds a stop word by the word itself', async () => {
    expect(await indices('the', { kind: 'label' })).toEqual([26, 25])
  })

  it('ranks tokens by case, then by share of top examples, then raised tokens, then beginnings', async () => {
    expect(await indices('moon', { kind: 'token' })).toEqual([0, 1, 2, 4])
    expect(await indices('Moon', { kind: 'token' })).toEqual([2, 0, 1, 4])
    expect(await indices('moon', { kind: 'logit' })).toEqual([3])
    expect(await indices('moon')).toEqual([0, 1, 2, 3, 4])
  })

  it('shows the tokens that matched and counts a latent that matches twice once', async () => {
    const { hits, n_total, more } = await searchLatents(db, { query: ' moon', sae: A })
    expect({ n_total, more }).toEqual({ n_total: 5, more: false })
    expect(hits[0]).toMatchObject({
      matched: 'label',
      snippet: '“moon”',
      label: '“moon”',
      label_method: 'lexical',
      hook: 'blocks.0.hook_resid_post',
      density: 0.01,
    })
    expect(hits[1]).toMatchObject({ matched: 'token', snippet: ' moon' })
    expect(hits[3]).toMatchObject({ matched: 'logit', snippet: ' moon' })
    const ranks = hits.map((hit) => hit.rank)
    expect(ranks).toEqual(ranks.toSorted((a, b) => b - a))
  })

  it('asks tokens for all words of the query', async () => {
    expect(await indices('sea moon', { kind: 'token' })).toEqual([1])
  })

  it('breaks ties by the rarer, then the stronger latent', async () => {
    expect(await indices('twin')).toEqual([8, 7, 6])
  })

  it('offers words that are spelt alike only where nothing matches by letters', async () => {
    expect(await indices('elefant')).toEqual([25])
    expect(await indices('mooon', { kind: 'token' })).toEqual(expect.arrayContaining([0, 1, 2]))
    const found = await searchLatents(db, { query: 'elefant' })
    expect(found).toMatchObject({ read_as: 'elephants', n_total: 1 })
    expect(found.hits[0]?.rank).toBeLessThan(1)
  })

  it('finds the beginning of a word while it is typed', async () => {
    expect(await indices('eleph')).toEqual([25])
    expect(await indices('moonl')).toEqual([4])
  })

  it('keeps to a suite, and searches all without one', async () => {
    expect(
      (await searchLatents(db, { query: 'ships', suite: 'other' })).hits.map((hit) => hit.sae),
    ).toEqual([B])
    expect((await searchLatents(db, { query: 'ships' })).n_total).toBe(2)
    expect((await searchLatents(db, { query: 'ships', suite: 'none' })).n_total).toBe(0)
  })

  it('keeps to layers, sites, densities, and to labels by method, author and score', async () => {
    const of = async (query: string, filters: object) =>
      (await searchLatents(db, { query, ...filters })).hits.map(({ sae, index }) => [
        sae === A ? 'A' : 'B',
        index,
      ])
    expect(await of('ships', { layer_from: 1 })).toEqual([['B', 20]])
    expect(await of('ships', { layer_to: 0, site: 'hook_resid_post' })).toEqual([['A', 20]])
    expect(await of('ships', { site: 'hook_mlp_out' })).toEqual([])
    expect(await of('twin', { density_from: 0.005 })).toEqual([['A', 6]])
    expect(await of('twin', { density_to: 0.005 })).toEqual([
      ['A', 8],
      ['A', 7],
    ])
    expect(await of('verbs', { method: 'manual' })).toEqual([['A', 23]])
    expect(await of('verbs', { author: 'llm' })).toEqual([['A', 24]])
    expect(await of('ships', { score_from: 0.8 })).toEqual([['A', 20]])
    expect(await of('ships', { score_from: 0.81 })).toEqual([])
    // A token counts where the latent has such a label.
    expect(await of('moon', { kind: 'token', method: 'lexical' })).toEqual([['A', 0]])
    expect(await of('own26', { method: 'lexical' })).toEqual([['A', 26]])
  })

  it('cuts the same order into pages that do not overlap and knows the total beyond the end', async () => {
    const all = await indices('own', { limit: 200 })
    const pages = await Promise.all(
      [0, 40, 80].map((offset) => indices('own', { limit: 40, offset })),
    )
    expect(pages.flat()).toEqual(all)
    expect((await searchLatents(db, { query: 'own', sae: A, offset: 500 })).n_total).toBe(
      all.length,
    )
  })

  it.each(['"', "'", '\\', '%', '_'])(
    'finds the token %s and takes it literally',
    async (query) => {
      expect(await indices(query, { kind: 'token' })).toEqual([5])
    },
  )

  it('finds signs and digits inside labels', async () => {
    expect(await indices('100%', { kind: 'label' })).toEqual([27])
    expect(await indices('☃')).toEqual([27])
  })

  it.each([
    '',
    '   ',
    '\0',
    'a\0b',
    '& | ! ( ) :* <->',
    "'); drop table hooke.labels; --",
    '"unbalanced',
    '-moon OR',
    '\ud800',
    'x'.repeat(10_000),
    'moon '.repeat(2_000),
    '%%%%',
    '\\\\\\',
    '$1 $2',
    '\u202e\u0000☃',
  ])('answers hostile query %# without an error', async (query) => {
    for (const kind of ['all', 'label', 'token', 'logit'] as const)
      expect((await searchLatents(db, { query, kind })).n_total).toBeGreaterThanOrEqual(0)
    expect((await searchLatents(db, { query: 'ships' })).n_total).toBe(2)
  })
})

describe('a word of thousands of latents', () => {
  const MANY = 'many~blocks.0.hook_resid_post~width_1k~l0_3'
  const n = 1_400
  beforeAll(async () => {
    await upsertSae(db, {
      id: MANY,
      suite: 'many',
      hook: 'blocks.0.hook_resid_post',
      layer: 0,
      d_in: 5,
      d_sae: n,
    })
    // The last latent fires on nothing else, and carries the shortest label: what a cut in the order of rows would lose.
    await putLatents(
      db,
      MANY,
      Array.from({ length: n }, (_, index) => ({
        index,
        density: 0.01,
        n_active: 1,
        max_act: 1,
        mean_act: 1,
        top_tokens: Array.from({ length: 20 }, (_, i) =>
          i < 5 || index === n - 1 ? ' common' : ` rare${index % 7}`,
        ),
        top_logits: index === n - 1 ? [' common'] : [' other', ' common'],
      })),
    )
    await addLabels(
      db,
      Array.from({ length: n }, (_, latent) => ({
        sae: MANY,
        latent,
        text: `common ${'and so on '.repeat(Math.min(9, n - 1 - latent))}`,
        method: 'lexical' as const,
        author: 'test',
        evidence: '',
      })),
    )
  })

  it('begins with the best, says that there are more, and goes on without repeating any', async () => {
    for (const kind of ['label', 'token', 'logit'] as const) {
      const { hits, more, n_total } = await searchLatents(db, { query: 'common', kind, limit: 3 })
      expect(more).toBe(true)
      expect(n_total).toBeGreaterThan(1_000)
      expect(hits[0]?.index, kind).toBe(n - 1)
    }
    const pages = []
    for (let offset = 0; offset < 600; offset += 200)
      pages.push((await searchLatents(db, { query: 'common', limit: 200, offset })).hits)
    const seen = pages.flat().map(({ index }) => index)
    expect(new Set(seen).size).toBe(600)
    const ranks = pages.flat().map(({ rank }) => rank)
    expect(ranks).toEqual(ranks.toSorted((a, b) => b - a))
  })
})
