import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileDigests } from './digests.ts'

const PIECE_BYTES = 1000
let root: string
let path: string
let cache: string
let options: { cache: string; min_bytes: number }
const bytes = Uint8Array.from({ length: 2345 }, (_, i) => (i * 37) % 251)
const sha256 = (part: Uint8Array): Buffer => createHash('sha256').update(part).digest()
const expectedOf = (whole: Uint8Array): Buffer =>
  Buffer.concat(
    [0, 1, 2].map((i) => sha256(whole.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES))),
  )
const entryPath = (): string => join(cache, 'digests', readdirSync(join(cache, 'digests'))[0]!)

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'digests-'))
  path = join(root, 'weights')
  cache = join(root, 'cache')
  options = { cache, min_bytes: 1 }
  writeFileSync(path, bytes)
  await setTimeout(2100) // a file just written is not remembered
})
afterAll(() => rmSync(root, { recursive: true }))

describe('fileDigests', () => {
  it('hashes each piece, and remembers it', async () => {
    expect(Buffer.from(await fileDigests(path, PIECE_BYTES, options))).toEqual(expectedOf(bytes))
    const entry = readFileSync(entryPath())
    expect(Buffer.from(await fileDigests(path, PIECE_BYTES, options))).toEqual(expectedOf(bytes))
    expect(readFileSync(entryPath())).toEqual(entry)
  })

  it('believes an entry that is whole, and computes anew where one digit is off', async () => {
    const entry = JSON.parse(readFileSync(entryPath(), 'utf8'))
    const digests = `${entry.digests.startsWith('0') ? '1' : '0'}${entry.digests.slice(1)}`
    for (const damaged of [JSON.stringify({ ...entry, digests }), '{', 'null']) {
      writeFileSync(entryPath(), damaged)
      expect(Buffer.from(await fileDigests(path, PIECE_BYTES, options))).toEqual(expectedOf(bytes))
    }
    const check = createHash('sha256').update(`${entry.file} ${digests}`).digest('hex')
    writeFileSync(entryPath(), JSON.stringify({ ...entry, digests, check }))
    const believed = Buffer.from(await fileDigests(path, PIECE_BYTES, options))
    expect(believed.toString('hex')).toBe(digests)
  })

  it('computes anew when the file has changed, and works without a place to remember', async () => {
    const other = bytes.map((byte) => byte ^ 1)
    writeFileSync(path, other)
    expect(Buffer.from(await fileDigests(path, PIECE_BYTES, options))).toEqual(expectedOf(other))
    const nowhere = { cache: join(path, 'inside-a-file'), min_bytes: 1 }
    expect(Buffer.from(await fileDigests(path, PIECE_BYTES, nowhere))).toEqual(expectedOf(other))
  })
})
