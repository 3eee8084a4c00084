import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { characters } from '../../test/fakeModel.ts'
import { readCorpus, readDocuments } from './readCorpus.ts'

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
const documentsOf = async (name: string, content: string | Uint8Array) =>
  Array.fromAsync(readDocuments(await file(name, content)))

describe('readDocuments', () => {
  it('separates plain text at lines <|endoftext|> and drops blank documents', async () => {
    const text = 'one\nline two\n<|endoftext|>\n\n  \n<|endoftext|>\r\nthree\n'
    expect(await documentsOf('a.txt', text)).toEqual(['one\nline two', 'three'])
  })

  it('takes a file without separators as one document, blank lines and a separator within a line kept', async () => {
    const text = 'one\n\ntwo <|endoftext|> still\n'
    expect(await documentsOf('b.txt', text)).toEqual(['one\n\ntwo <|endoftext|> still'])
  })

  it('reads .jsonl, and both packed', async () => {
    const lines = '{"text": "one\\ntwo", "id": 3}\n\n{"text": "drei"}\n'
    expect(await documentsOf('c.jsonl', lines)).toEqual(['one\ntwo', 'drei'])
    expect(await documentsOf('c.jsonl.gz', gzipSync(lines))).toEqual(['one\ntwo', 'drei'])
    expect(await documentsOf('c.txt.gz', gzipSync('ein\n<|endoftext|>\nzwei'))).toEqual([
      'ein',
      'zwei',
    ])
  })

  it('reads characters that lie across the blocks of a large file', async () => {
    const text = 'aé🙂'.repeat(400_000)
    expect(await documentsOf('large.txt', text)).toEqual([text])
  })

  it.each([
    ['an empty file', 'empty.txt', '', /empty\.txt: is empty/],
    ['a binary file', 'binary.txt', Uint8Array.of(65, 66, 0, 67), /NUL byte.*at byte 2/],
    ['invalid UTF-8', 'latin1.txt', Uint8Array.of(65, 0xe9, 66, 67), /not text in UTF-8/],
    ['UTF-8 cut short', 'cut.txt', Uint8Array.of(65, 0xf0, 0x9f), /not text in UTF-8/],
    ['a line that is not JSON', 'd.jsonl', '{"text": "a"}\n{"text": \n', /line 2 is not JSON/],
    ['a line without text', 'e.jsonl', '{"text": "a"}\n\n{"t": 1}\n', /line 3 has no string/],
    ['a file that is not gzip', 'f.txt.gz', 'plain', /not a whole gzip file/],
    ['a gzip file cut short', 'g.txt.gz', gzipSync('x'.repeat(999)).subarray(0, 20), /not a whole/],
  ])('refuses %s', async (_, name, content, message) => {
    await expect(documentsOf(name, content)).rejects.toThrow(message)
  })
})

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
