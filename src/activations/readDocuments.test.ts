import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { localFile, readDocuments } from './readDocuments.ts'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hooke-documents-'))
})
afterAll(() => rm(dir, { recursive: true }))

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(dir, name)
  await writeFile(path, content)
  return path
}
const documentsOf = async (name: string, content: string | Uint8Array, column?: string) =>
  Array.fromAsync(readDocuments(localFile(await file(name, content)), column))

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

  it('reads .zst, and packed files of several parts', async () => {
    const lines = ['{"text": "one"}\n', '{"text": "two"}\n']
    expect(await documentsOf('c.jsonl.zst', zstdCompressSync(lines.join('')))).toEqual([
      'one',
      'two',
    ])
    for (const [name, pack] of [
      ['p.jsonl.gz', gzipSync],
      ['p.jsonl.zst', zstdCompressSync],
    ] as const)
      expect(await documentsOf(name, Buffer.concat(lines.map((line) => pack(line))))).toEqual([
        'one',
        'two',
      ])
  })

  it('reads .json as lines or as one array, and the field that is asked for', async () => {
    const objects = [{ body: 'one' }, { body: '  ' }, { body: 'drei' }]
    const array = ` \n${JSON.stringify(objects, undefined, 2)}`
    expect(await documentsOf('a.json', array, 'body')).toEqual(['one', 'drei'])
    expect(await documentsOf('b.json.gz', gzipSync(array), 'body')).toEqual(['one', 'drei'])
    const lines = objects.map((object) => JSON.stringify(object)).join('\n')
    expect(await documentsOf('c.json', lines, 'body')).toEqual(['one', 'drei'])
  })

  it('stops in the middle of a packed file when nobody asks for more', async () => {
    const lines = Array.from({ length: 200_000 }, (_, i) => `{"text": "${i}"}\n`).join('')
    for await (const text of readDocuments(localFile(await file('s.jsonl.gz', gzipSync(lines))))) {
      expect(text).toBe('0')
      break
    }
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
    [
      'a zst file cut short',
      'z.txt.zst',
      zstdCompressSync('x'.repeat(999)).subarray(0, 15),
      /not a whole Zst/,
    ],
    ['a file that is not zst', 'y.txt.zst', 'plain text', /not a whole Zst/],
    ['an array cut short', 'h.json', '[{"text": "a"},', /h\.json: is not JSON/],
    ['an array of something else', 'i.json', '[{"text": "a"}, 3]', /object 2 has no string/],
    ['a file that is not Parquet', 'j.parquet', 'PAR1 plainly not', /not a whole Parquet file/],
    ['a gzip file cut short', 'g.txt.gz', gzipSync('x'.repeat(999)).subarray(0, 20), /not a whole/],
  ])('refuses %s', async (_, name, content, message) => {
    await expect(documentsOf(name, content)).rejects.toThrow(message)
  })
})

describe('Parquet', () => {
  const folder = join(import.meta.dirname, '../../test/fixtures/parquet')
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as string[]
  const names = readdirSync(folder).filter((name) => name.endsWith('.parquet'))
  const fixture = (name: string, column?: string) =>
    Array.fromAsync(readDocuments(localFile(join(folder, name)), column))

  it.each(names)('%s gives its texts in order, without empty rows', async (name) => {
    expect(names.length).toBeGreaterThan(5)
    expect(await fixture(name)).toEqual(expected)
    expect(await fixture(name, 'other')).toEqual(Array.from({ length: 7 }, (_, i) => `other ${i}`))
  })

  it('says which columns there are, and that one holds no text', async () => {
    await expect(fixture('zstd.parquet', 'txt')).rejects.toThrow(
      /no column "txt"; it has id, text, other, messages\. Name .*--text-column/,
    )
    await expect(fixture('zstd.parquet', 'id')).rejects.toThrow(
      /row 0 of the column "id" is no text/,
    )
    await expect(fixture('zstd.parquet', 'messages')).rejects.toThrow(/is no text/)
  })

  it('reads the footer, then of each row group the asked column, and no group too many', async () => {
    const file = localFile(join(folder, 'none.parquet'))
    const read: { offset: number; length: number }[] = []
    const watched = {
      name: file.name,
      async open() {
        const source = await file.open()
        return {
          ...source,
          read: (offset: number, length: number) => {
            read.push({ offset, length })
            return source.read(offset, length)
          },
        }
      },
    }
    expect(await Array.fromAsync(readDocuments(watched))).toEqual(expected)
    const [footer, ...groups] = read.splice(0)
    expect(footer!.offset).toBe(0) // the whole of so small a file
    expect(groups).toHaveLength(3)
    expect(groups.reduce((n, { length }) => n + length, 0)).toBeLessThan(footer!.length / 3)
    expect(await Array.fromAsync(readDocuments(watched, 'other'))).toHaveLength(7)
    const [, ...others] = read.splice(0)
    const starts = new Set(groups.map(({ offset }) => offset))
    expect(others.some(({ offset }) => starts.has(offset))).toBe(false)
    for await (const text of readDocuments(watched)) if (text === expected[0]) break
    expect(read.slice(1)).toEqual(groups.slice(0, 1))
  })

  it('refuses a damaged file', async () => {
    const bytes = readFileSync(join(folder, 'zstd.parquet'))
    const torn = Buffer.from(bytes)
    torn.fill(0x55, 60, 700)
    await expect(documentsOf('torn.parquet', torn)).rejects.toThrow(
      /torn\.parquet: rows 0 to 3 cannot be read/,
    )
    const cut = bytes.subarray(0, 900)
    await expect(documentsOf('cut.parquet', cut)).rejects.toThrow(/not a whole Parquet file/)
  })
})
