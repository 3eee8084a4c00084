import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { writeWordEncoder } from '../../test/wordEncoder.ts'
import {
  addLabels,
  countVectors,
  type Database,
  type EmbedderSource,
  labelsOf,
  openDatabase,
  putLatents,
  retireLabel,
  upsertSae,
} from '../store/index.ts'
import { type Embedder, openEmbedder } from './embedder.ts'
import { embedLabels, searchByMeaning } from './meaning.ts'
import { searchScope } from './searchScope.ts'

const SAE = 'tiny~blocks.0.hook_resid_post~width_9~l0_3'
/** What sails lies along the first axis, what shines along the second. */
const WORDS = {
  '[PAD]': [9, 9, 9],
  '[UNK]': [0, 0, 1],
  '[CLS]': [0, 0, 0.5],
  '[SEP]': [0, 0, 0.5],
  sea: [5, 0, 0],
  ship: [4, 1, 0],
  moon: [0, 5, 0],
  star: [1, 4, 0],
  the: [0, 0, 1],
}

let folder: string
let db: Database
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hooke-encoder-'))
  await writeWordEncoder(folder, WORDS, 6)
  db = await openDatabase('memory://')
  await upsertSae(db, {
    id: SAE,
    suite: 'tiny',
    hook: 'blocks.0.hook_resid_post',
    layer: 0,
    d_in: 5,
    d_sae: 9,
  })
  await putLatents(
    db,
    SAE,
    [0, 1, 2, 3].map((index) => ({
      index,
      density: index / 100,
      n_active: 1,
      max_act: 1,
      mean_act: 1,
      top_tokens: ['x'],
      top_logits: [],
    })),
  )
  await addLabels(
    db,
    ['sea', 'moon', 'star', 'moon'].map((text, latent) => ({
      sae: SAE,
      latent,
      text,
      method: 'lexical',
      author: 'test',
      evidence: '',
    })),
  )
})
const opened: Embedder[] = []
afterEach(async () => {
  for (const embedder of opened.splice(0)) await embedder.close()
})
afterAll(async () => {
  await db.close()
  await rm(folder, { recursive: true })
})
const open = async (source: EmbedderSource) => {
  const embedder = await openEmbedder(source, { threads: 1 })
  opened.push(embedder)
  return embedder
}

const find = async (query: string, more: object = {}) =>
  (await searchByMeaning(db, open, { query, suite: 'tiny', ...more }))?.hits

describe('a sentence encoder in ONNX', () => {
  it('gives the mean of its tokens, padding left out, with norm 1', async () => {
    const embedder = await open({ kind: 'onnx', model: folder })
    const [short, long] = await embedder.embed(['sea', 'the sea the sea ship moon star'], 'text')
    // [CLS] sea [SEP]
    const norm = Math.hypot(5, 1)
    expect([...short!]).toEqual([5 / norm, 0, 1 / norm].map((x) => expect.closeTo(x, 6)))
    // Six positions: [CLS] the sea the sea [SEP]
    const cut = Math.hypot(10, 3)
    expect([...long!]).toEqual([10 / cut, 0, 3 / cut].map((x) => expect.closeTo(x, 6)))
  })

  it('is refused where a file is missing, and where there is no such folder', async () => {
    await expect(open({ kind: 'onnx', model: join(folder, 'onnx') })).rejects.toThrow(
      'has no tokenizer.json, expected a sentence encoder',
    )
    await expect(open({ kind: 'onnx', model: '/nowhere/at/all' })).rejects.toThrow(
      'there is no such folder',
    )
  })
})

describe('search by meaning', () => {
  it('has nothing to search before labels are embedded, and says so', async () => {
    expect(await searchByMeaning(db, open, { query: 'sea' })).toBeUndefined()
    expect((await searchScope(db)).meaning).toBeUndefined()
  })

  it('finds labels that mean the same without a letter in common', async () => {
    const embedder = await open({ kind: 'onnx', model: folder })
    const said: number[] = []
    const done = await embedLabels(db, 'tiny', embedder, {
      batch: 3,
      onProgress: ({ n_embedded }) => said.push(n_embedded),
    })
    expect(done).toEqual({ n_embedded: 4, n_labels: 4 })
    expect(said).toEqual([0, 3, 4])
    expect((await searchScope(db)).meaning).toEqual({ model: folder })
    const hits = await find('ship')
    expect(hits![0]).toMatchObject({ index: 0, matched: 'meaning', snippet: 'sea', label: 'sea' })
    expect(hits!.map(({ index }) => index)).toEqual([0, 2, expect.anything(), expect.anything()])
    // Kept in halves: about three digits.
    const cosine = (5 * 4 + 1) / (Math.hypot(5, 1) * Math.hypot(4, 1, 1))
    expect(hits![0]!.rank).toBeCloseTo(cosine, 2)
  })

  it('embeds only what is new when it is run again, and forgets labels that were retired', async () => {
    const embedder = await open({ kind: 'onnx', model: folder })
    await addLabels(db, [
      { sae: SAE, latent: 3, text: 'the ship', method: 'llm', author: 'test', evidence: '' },
    ])
    const batches: number[] = []
    const counting: Embedder = {
      ...embedder,
      embed: (texts, as, signal) => {
        batches.push(texts.length)
        return embedder.embed(texts, as, signal)
      },
    }
    await embedLabels(db, 'tiny', counting, { batch: 3 })
    expect(batches).toEqual([1])
    expect((await find('sea'))!.slice(0, 2).map(({ index }) => index)).toEqual([0, 3])
    const [newest] = await labelsOf(db, SAE, 3)
    await retireLabel(db, newest!.id)
    expect((await find('ship'))!.find(({ index }) => index === 3)?.snippet).toBe('moon')
  })

  it('keeps to filters', async () => {
    expect((await find('ship', { density_from: 0.015 }))!.map(({ index }) => index)).toEqual([2, 3])
    expect(await find('ship', { suite: 'other' })).toEqual([])
  })

  it('stops when it is told to, and keeps what was done', async () => {
    const embedder = await open({ kind: 'onnx', model: folder })
    const stop = new AbortController()
    const run = embedLabels(db, 'tiny', embedder, {
      batch: 1,
      replace: true,
      signal: stop.signal,
      onProgress: ({ n_embedded }) => n_embedded === 2 && stop.abort(),
    })
    await expect(run).rejects.toThrow()
    expect((await countVectors(db, 'tiny')).n_embedded).toBe(2)
    await embedLabels(db, 'tiny', embedder, { batch: 9 })
    expect((await countVectors(db, 'tiny')).n_embedded).toBe(4)
  })
})

describe('search by meaning among more labels than are each compared', () => {
  const D_MANY = 48
  const N = 900
  const direction = (seed: number) =>
    Float32Array.from({ length: D_MANY }, (_, i) => Math.sin((seed + 1) * (i + 1) * 1.7))
  const many: Embedder = {
    source: { kind: 'api', model: 'sines' },
    embed: async (texts) =>
      texts.map((text) => {
        const vector = direction(Number(text))
        const norm = Math.hypot(...vector)
        return vector.map((x) => x / norm)
      }),
    close: async () => {},
  }

  it('finds nearly all of what comparing each finds, in the same order, and keeps to filters', async () => {
    const other = await openDatabase('memory://')
    try {
      for (const sae of ['a', 'b']) {
        const hook = `blocks.${sae === 'a' ? 0 : 1}.hook_resid_post`
        await upsertSae(other, { id: sae, suite: 'many', hook, layer: 0, d_in: 5, d_sae: N })
      }
      await addLabels(
        other,
        Array.from({ length: N }, (_, latent) => ({
          sae: latent % 10 === 0 ? 'b' : 'a',
          latent,
          text: String(latent),
          method: 'lexical' as const,
          author: 'test',
          evidence: '',
        })),
      )
      await embedLabels(other, 'many', many, { batch: 250 })
      const search = async (more: object) =>
        (await searchByMeaning(other, async () => many, { query: '77.01', limit: 50, ...more }))!
      for (const [filters, least] of [
        [{}, 45],
        [{ sae: 'b' }, 50],
      ] as const) {
        const exact = await search(filters)
        const indexed = await search({ ...filters, exact: 10 })
        const found = new Set(indexed.hits.map(({ index }) => index))
        expect(exact.hits).toHaveLength(50)
        expect(exact.hits.filter(({ index }) => found.has(index)).length).toBeGreaterThanOrEqual(
          least,
        )
        const ranks = indexed.hits.map(({ rank }) => rank)
        expect(ranks).toEqual(ranks.toSorted((a, b) => b - a))
      }
      expect((await search({})).n_total).toBe(200)
      expect((await search({ offset: 190 })).hits).toHaveLength(10)
    } finally {
      await other.close()
    }
  })
})

describe('an embeddings API', () => {
  let server: Server
  let url: string
  const asked: { model: string; input: string[]; key: string | undefined }[] = []
  let answer: (input: string[]) => unknown
  let status = 200
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const { model, input } = JSON.parse(body)
      asked.push({ model, input, key: request.headers.authorization })
      response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '0' })
      const failed = status !== 200
      status = 200
      response.end(
        JSON.stringify(
          failed
            ? { error: { message: 'too many' } }
            : { object: 'list', model, data: answer(input) },
        ),
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  })
  afterAll(() => server.close())
  const vectors = (input: string[]) =>
    input.map((text, index) => ({ object: 'embedding', index, embedding: [text.length, 3, 0] }))

  it('is asked with the model, the prefix and the key of the environment, again where it is too busy', async () => {
    answer = vectors
    status = 429
    process.env.HOOKE_EMBED_API_KEY = 'key-for-test'
    const embedder = await open({
      kind: 'api',
      model: 'small',
      base_url: url,
      query_prefix: 'query: ',
    })
    delete process.env.HOOKE_EMBED_API_KEY
    const [vector] = await embedder.embed(['sea'], 'query')
    expect(asked).toEqual([
      { model: 'small', input: ['query: sea'], key: 'Bearer key-for-test' },
      { model: 'small', input: ['query: sea'], key: 'Bearer key-for-test' },
    ])
    expect([...vector!]).toEqual([10, 3, 0].map((x) => expect.closeTo(x / Math.hypot(10, 3), 6)))
  })

  it('is not mixed with another model, unless it replaces it', async () => {
    answer = vectors
    const source: EmbedderSource = { kind: 'api', model: 'small', base_url: url }
    const embedder = await open(source)
    await expect(embedLabels(db, 'tiny', embedder, { batch: 9 })).rejects.toThrow('Give --replace')
    await embedLabels(db, 'tiny', embedder, { batch: 9, replace: true })
    expect((await searchScope(db)).meaning).toEqual({ model: 'small' })
    // Vectors are of length alone here: `star` is as long as the query.
    expect((await find('ship'))!.slice(0, 3).map(({ rank }) => rank)).toEqual(
      [1, 1, 1].map((x) => expect.closeTo(x, 2)),
    )
  })

  it('is refused where it answers with too few vectors, or with none of a length', async () => {
    const embedder = await open({ kind: 'api', model: 'small', base_url: url })
    answer = (input) => vectors(input).slice(1)
    await expect(embedder.embed(['a', 'b'], 'text')).rejects.toThrow(
      'Expected 2 embeddings, but received 1',
    )
    answer = (input) => input.map((_, index) => ({ index, embedding: [0, 0, 0] }))
    await expect(embedder.embed(['a'], 'text')).rejects.toThrow('a vector of length 0')
  })
})
