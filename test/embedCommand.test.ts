/** `hooke search` of every kind; `hooke embed` and search by meaning against an embeddings API of the test's own. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hooke } from './commandLine.ts'
import { type temporaryFolder, tinyWorkspace } from './tinySuite.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
let server: Server
let url: string
/** Texts that were sent, and after how many requests the server begins to refuse. */
const sent: string[] = []
let refuses_after = Number.POSITIVE_INFINITY

beforeAll(async () => {
  folder = await tinyWorkspace()
  suite = join(folder.path, 'tiny')
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { input, model } = JSON.parse(body) as { input: string[]; model: string }
    const refused = refuses_after-- <= 0
    response.writeHead(refused ? 400 : 200, { 'content-type': 'application/json' })
    if (!refused) sent.push(...input)
    const data = input.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: letters(text),
    }))
    const answer = refused
      ? { error: { message: 'out of credit' } }
      : { object: 'list', model, data, usage: { prompt_tokens: 1 } }
    response.end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
afterAll(async () => {
  server.close()
  await folder.remove()
})

/** How often each letter occurs. */
const letters = (text: string): number[] =>
  Array.from(
    'abcdefghijklmnopqrstuvwxyz',
    (letter) => text.toLowerCase().split(letter).length - 0.9,
  )

const embed = (...more: string[]) =>
  hooke('embed', suite, '--model', 'letters', '--base-url', url, '--json', ...more)

it('embeds every label, goes on where it was broken off, and is searched by meaning', async () => {
  const before = await hooke('search', suite, 'sea', '--kind', 'meaning')
  expect(before).toMatchObject({ code: 2 })
  expect(before.message).toContain('Run hooke embed first')

  refuses_after = 3
  const broken = await embed('--batch', '7')
  expect(broken.code).toBe(1)
  expect(broken.message).toContain('out of credit')
  const n_before = sent.length
  expect(n_before).toBeGreaterThan(1)

  refuses_after = Number.POSITIVE_INFINITY
  const done = await embed('--batch', '50')
  expect(done).toMatchObject({ code: 0 })
  const { n_embedded, n_labels, model } = JSON.parse(done.printed)
  expect({ n_embedded, model }).toEqual({ n_embedded: n_labels, model: 'letters' })
  expect(n_labels).toBeGreaterThan(100)

  sent.length = 0
  expect((await embed()).code).toBe(0)
  expect(sent).toEqual([])

  const { hits } = JSON.parse(
    (await hooke('search', suite, 'quoth', '--kind', 'meaning', '--json')).printed,
  ) as {
    hits: { snippet: string; rank: number }[]
  }
  expect(sent).toEqual(['quoth'])
  const cosine = (text: string) => {
    const [a, b] = [letters('quoth'), letters(text)]
    const dot = a.reduce((sum, x, i) => sum + x * b[i]!, 0)
    return dot / (Math.hypot(...a) * Math.hypot(...b))
  }
  for (const { snippet, rank } of hits) expect(rank).toBeCloseTo(cosine(snippet), 2)
  const ranks = hits.map(({ rank }) => rank)
  expect(ranks).toEqual(ranks.toSorted((x, y) => y - x))
})

it('is used wrongly without a model, or with an address that is none', async () => {
  expect((await hooke('embed', suite)).code).toBe(2)
  expect((await hooke('embed', suite, '--model', 'x', '--base-url', 'localhost')).code).toBe(2)
})

describe('hooke search by weights', () => {
  type Hit = { hook: string; index: number; label?: string; density: number }
  const search = async (...args: string[]) => {
    const { code, printed, message } = await hooke('search', suite, '--json', ...args)
    expect({ code, message }).toEqual({ code: 0, message: '' })
    return JSON.parse(printed)
  }
  const names = (hits: readonly Hit[]) => hits.map(({ hook, index }) => `${hook}/${index}`)

  it('ranks latents of every site by a text, and by chosen tokens of it', async () => {
    const text = ['The ship came', 'home.', '--kind', 'text', '--max-density', '1']
    const found = await search(...text, '--scale', 'act', '--limit', '200')
    expect(found.tokens.slice(1)).toEqual(['The', ' ship', ' came', ' home', '.'])
    expect(found.chosen).toEqual([1, 2, 3, 4, 5])
    expect(new Set(found.hits.map(({ hook }: Hit) => hook)).size).toBe(2)
    const acts = found.hits.map(({ act }: { act: number }) => act)
    expect(acts).toEqual(acts.toSorted((a: number, b: number) => b - a))
    const chosen = await search(...text, '--tokens', '2', '--from-layer', '4')
    expect(chosen.hits.every((hit: Hit & { token: number }) => hit.token === 2)).toBe(true)
    expect(new Set(chosen.hits.map(({ hook }: Hit) => hook))).toEqual(
      new Set(['blocks.4.hook_resid_post']),
    )
  })

  it('finds what differs between texts, and the same the other way round', async () => {
    const texts = [
      ['The ship sailed.', 'The sea was calm.'],
      ['A child.', 'He ran home.'],
    ] as const
    const between = (a: readonly string[], b: readonly string[]) =>
      search(...a, '--kind', 'contrast', '--against', ...b, '--max-density', '1', '--limit', '5')
    const [found, swapped] = [await between(...texts), await between(texts[1], texts[0])]
    expect(names(found.more_in_a).length).toBeGreaterThan(0)
    expect(names(swapped.more_in_b)).toEqual(names(found.more_in_a))
  })

  it('finds what is like a latent, without it', async () => {
    const latent = 'blocks.4.hook_resid_post/5'
    const { hits, n_total } = await search(latent, '--kind', 'like', '--limit', '200')
    expect(n_total).toBe(128)
    expect(hits).toHaveLength(127)
    expect(names(hits)).not.toContain(latent)
    const d = 256
    const zeros = JSON.stringify(Array.from({ length: d }, (_, i) => (i === 0 ? 1 : 0)))
    expect((await search(zeros, '--kind', 'vector', '--limit', '200')).hits).toHaveLength(128)
  })

  it.each([
    [['a', '--kind', 'contrast'], '--against'],
    [['a', '--tokens', '1'], '--kind text'],
    [['one two', '--kind', 'vector'], 'number 1 is “one”'],
    [['blocks.9.hook_resid_post/1', '--kind', 'like'], 'the latent is blocks.9'],
    [['a', '--kind', 'text', '--from-layer', '99'], 'Widen the filters'],
    [[' '], 'the query is empty'],
  ])('says what is wrong with %j', async (args, said) => {
    const { code, message } = await hooke('search', suite, ...args)
    expect(code).toBe(2)
    expect(message).toContain(said)
  })
})
