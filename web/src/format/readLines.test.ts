import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readLines } from './readLines.ts'

const lines = '{"a":"☃"}\n{"b":1}\n'
const file = (name: string, ...parts: (string | Uint8Array<ArrayBuffer>)[]) => new File(parts, name)

test('reads a file as it is, and one that is packed', async () => {
  expect(await readLines(file('a.jsonl', lines), 100)).toBe(lines)
  expect(await readLines(file('a.jsonl.gz', new Uint8Array(gzipSync(lines))), 100)).toBe(lines)
})

test('stops at the limit, also while it unpacks', async () => {
  await expect(readLines(file('a.jsonl', lines), 5)).rejects.toThrow(/a\.jsonl holds more than/)
  const bomb = new Uint8Array(gzipSync('x'.repeat(2 ** 22)))
  expect(bomb.length).toBeLessThan(2 ** 13)
  await expect(readLines(file('a.gz', bomb), 2 ** 20)).rejects.toThrow(
    /more than 1 MiB.*hooke labels/,
  )
})

test('says what it expected of a file that is neither', async () => {
  await expect(readLines(file('a.gz', lines), 100)).rejects.toThrow(/a\.gz .*packed by gzip/)
  const latin = Uint8Array.of(0x7b, 0xe9, 0x7d)
  await expect(readLines(file('a.jsonl', latin), 100)).rejects.toThrow(/UTF-8 text/)
})
