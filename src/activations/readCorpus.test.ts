import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { characters } from '../../test/fakeModel.ts'
import { type HubServer, openHubServer } from '../../test/hubServer.ts'
import { pullFiles } from '../hub/index.ts'
import { readCorpus } from './readCorpus.ts'
import type { TokenCorpus } from './types.ts'

const FIXTURES = join(import.meta.dirname, '../../test/fixtures/parquet')

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hooke-corpus-'))
})
afterAll(() => rm(dir, { recursive: true }))

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(dir, name)
  await writeFile(path, content)
  return path
}
describe('readCorpus', () => {
  it('joins files in order and counts them', async () => {
    const paths = [await file('1.txt', 'abcd'), await file('2.txt', 'x\n<|endoftext|>\nyz')]
    const corpus = await readCorpus(paths, characters, { n_ctx: 4 })
    expect([...corpus.doc_start]).toEqual([0, 4, 6, 8, 11])
    expect(corpus.files).toEqual([
      { name: paths[0], n_docs: 2, n_tokens: 6 },
      { name: paths[1], n_docs: 2, n_tokens: 5 },
    ])
  })

  it('refuses no files, a missing file and a file of white space', async () => {
    const read = (paths: string[]) => readCorpus(paths, characters, { n_ctx: 4 })
    await expect(read([])).rejects.toThrow(/no files given/)
    await expect(read([join(dir, 'none.txt')])).rejects.toThrow(/none\.txt: there is no such file/)
    await expect(read([await file('blank.txt', ' \n\n')])).rejects.toThrow(/holds no document/)
  })
})

describe('a data set on the Hub', () => {
  let server: HubServer
  let home: string
  beforeEach(async () => {
    server = await openHubServer()
    home = await mkdtemp(join(tmpdir(), 'hooke-hub-'))
    vi.stubEnv('HF_ENDPOINT', server.endpoint)
    vi.stubEnv('HF_HOME', home)
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await server.close()
    await rm(home, { recursive: true })
  })
  const add = (files: Parameters<HubServer['add']>[1]) =>
    server.add('ada/texts', files, { type: 'dataset' })
  const read = (names: string | string[], hub_tokens = 1e6, text_column?: string) =>
    readCorpus([names].flat(), characters, { n_ctx: 64, hub_tokens, text_column })
  const textOf = ({ ids, doc_start }: TokenCorpus) =>
    Array.from({ length: doc_start.length - 1 }, (_, doc) =>
      characters.detokenize(ids.subarray(doc_start[doc]! + 1, doc_start[doc + 1])),
    )
  const line = (text: string) => `${JSON.stringify({ text })}\n`
  const parquet = (name: string) => readFile(join(FIXTURES, name))
  const inParquet = async () =>
    JSON.parse(await readFile(join(FIXTURES, 'expected.json'), 'utf8')) as string[]
  const stored = () => server.seen.filter(({ host }) => host === 'storage')

  it('is read in Parquet, file after file, and named by its commit', async () => {
    const { refs } = add({
      'README.md': '#',
      'data/train-00001-of-00002.parquet': await parquet('zstd.parquet'),
      'data/train-00000-of-00002.parquet': await parquet('snappy.parquet'),
      'data/test-00000-of-00001.parquet': await parquet('none.parquet'),
    })
    const texts = await inParquet()
    const corpus = await read('ada/texts')
    expect(textOf(corpus)).toEqual([...texts, ...texts])
    expect(corpus.files.map(({ name }) => name)).toEqual(
      [0, 1].map(
        (n) => `hf://datasets/ada/texts@${refs.get('main')}/data/train-0000${n}-of-00002.parquet`,
      ),
    )
    expect(textOf(await read('ada/texts:test'))).toEqual(texts)
    const other = await read('ada/texts/data/test-00000-of-00001.parquet', 1e6, 'other')
    expect(textOf(other)[6]).toBe('other 6')
  })

  it('is read line by line, packed or not, until there are enough tokens', async () => {
    const lines = Array.from({ length: 200_000 }, (_, i) => line(`text ${i} ${'x'.repeat(40)}`))
    const whole = new TextEncoder().encode(lines.join(''))
    add({ 'a.jsonl': whole, 'b.jsonl.zst': zstdCompressSync(line('never read')) })
    const corpus = await read('ada/texts', 5_000)
    const n_tokens = corpus.ids.length - (corpus.doc_start.length - 1)
    expect(n_tokens).toBeGreaterThanOrEqual(5_000)
    expect(n_tokens).toBeLessThan(5_100)
    const asked = stored().map(({ headers }) => headers.range)
    expect(asked.length).toBeLessThanOrEqual(2)
    expect(asked[0]).toBe('bytes=0-1048575')
    expect(whole.length).toBeGreaterThan(10 * 2 ** 20)
  })

  it('goes on after a cut connection, and packed files are unpacked on the way', async () => {
    const texts = Array.from({ length: 3000 }, (_, i) => `${i} ${(i * 7919) % 1e6}`)
    add({
      'train.jsonl.gz': gzipSync(texts.map(line).join('')),
      'valid.jsonl.gz': gzipSync(line('other')),
    })
    server.faults.push({ match: /storage GET/, cut_bytes: 9_000 })
    expect(textOf(await read('ada/texts'))).toEqual(texts)
    expect(stored().map(({ headers }) => headers.range)[1]).toBe(
      `bytes=9000-${gzipSync(texts.map(line).join('')).length - 1}`,
    )
    expect(textOf(await read('ada/texts:valid'))).toEqual(['other'])
  }, 20_000)

  it('is read from the cache where it was pulled, also offline', async () => {
    add({ 'train.jsonl': line('one'.repeat(900)), 'test.jsonl': line('two') })
    await pullFiles({ id: 'ada/texts', type: 'dataset' })
    server.seen.length = 0
    expect(textOf(await read('ada/texts')).join('')).toBe('one'.repeat(900))
    expect(stored()).toEqual([])
    server.seen.length = 0
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    expect(textOf(await read('ada/texts:test'))).toEqual(['two'])
    expect(server.seen).toEqual([])
  })

  it('comes after what is on disk, and is not looked for where a file was meant', async () => {
    const path = await file('here.txt', 'ab')
    add({ 'x.txt': 'cd\n<|endoftext|>\nef' })
    expect(textOf(await read([path, 'ada/texts']))).toEqual(['ab', 'cd', 'ef'])
    server.seen.length = 0
    await expect(read('corpus/none.jsonl.gz')).rejects.toThrow(
      /none\.jsonl\.gz: there is no such file/,
    )
    expect(server.seen).toEqual([])
  })

  it('needs a number of tokens, and says what it holds where it has no texts', async () => {
    add({ 'README.md': '#', 'images.tar': 'x' })
    await expect(readCorpus(['ada/texts'], characters, { n_ctx: 9 })).rejects.toThrow(
      /ada\/texts: how much of a data set on the Hub is to be read must be said/,
    )
    await expect(read('ada/texts:train')).rejects.toThrow(
      /holds no \.parquet.*of the split "train".*It holds README\.md, images\.tar/,
    )
    await expect(read('ada/nothing')).rejects.toThrow(
      /there is no file .*nothing, and the Hub has no/,
    )
  })

  it('that is served without ranges is refused with the way out', async () => {
    add({ 'a.jsonl': new TextEncoder().encode(line('x').repeat(200_000)) })
    server.faults.push({ match: /storage GET/, times: 99, ignoresRange: true })
    await expect(read('ada/texts')).rejects.toThrow(
      /the whole file.*hooke pull ada\/texts --type dataset/,
    )
  })
})
