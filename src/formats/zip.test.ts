import { describe, expect, it } from 'vitest'
import { join } from '../../test/fuzz/bytes.ts'
import { renderZip, zipEnd, zipPart } from '../../test/fuzz/zipFile.ts'
import { FormatError } from './errors.ts'
import { openBytes } from './memory.ts'
import { openZip } from './zip.ts'

const open = (bytes: Uint8Array) => openZip(openBytes('some.zip', bytes))
const text = (value: string) => new TextEncoder().encode(value)
const readAll = async (bytes: Uint8Array) => {
  for (const entry of await open(bytes)) await entry.read()
}

describe('a ZIP archive', () => {
  it('lists its entries in order and unpacks them, and says where stored ones begin', async () => {
    const bytes = renderZip([
      zipPart('folder/b', text('abc'.repeat(50)), true),
      zipPart('a', text('stored')),
    ])
    const entries = await open(bytes)
    expect(entries.map(({ name, size_bytes }) => [name, size_bytes])).toEqual([
      ['folder/b', 150],
      ['a', 6],
    ])
    expect(await entries[0]!.read()).toEqual(text('abc'.repeat(50)))
    expect(await entries[0]!.start()).toBeUndefined()
    const start = (await entries[1]!.start())!
    expect(bytes.subarray(start, start + 6)).toEqual(text('stored'))
    expect(entries[1]!.path).toBe('some.zip/a')
  })

  it('reads an entry twice, and none where there are none', async () => {
    const [entry] = await open(renderZip([zipPart('a', text('x'))]))
    expect(await entry!.read()).toEqual(await entry!.read())
    expect(await open(renderZip([]))).toEqual([])
  })

  it('that unpacks to more than it says is given up there', async () => {
    const bomb = zipPart('a', new Uint8Array(1 << 20), true)
    for (const header of [bomb.local, bomb.central]) header.size_bytes = 100n
    await expect(readAll(renderZip([bomb]))).rejects.toThrow('some.zip/a: could not be unpacked')
  })

  it('that says more than deflate can unpack is refused before anything is', async () => {
    const part = zipPart('a', new Uint8Array(1 << 20), true)
    for (const header of [part.local, part.central]) header.size_bytes = 4_000_000_000n
    const error = await open(renderZip([part])).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(FormatError)
    expect((error as FormatError).message).toMatch(/that unpack to 4000000000, .* at most \d{7}\./)
  })

  it('of more entries than any file of tensors has is refused', async () => {
    // One directory record 65,537 times: their names are only compared once all are there.
    const whole = renderZip([zipPart('a', new Uint8Array(0))])
    const record = whole.slice(31, 31 + 47)
    const n = 65_537
    const list = new Uint8Array(n * record.length)
    for (let i = 0; i < n; i++) list.set(record, i * record.length)
    const bytes = join(whole.slice(0, 31), list, ...zipEnd(n, list.length, 31))
    await expect(open(bytes)).rejects.toThrow('has more than 65536 files')
  })

  it('whose entries overlap is refused at the outer one, whichever is read first', async () => {
    const inner = renderZip([zipPart('b', text('within'))])
    const local = inner.subarray(0, 30 + 1 + 6)
    const record = inner.slice(local.length, local.length + 47)
    record[42] = 31 // where it begins: behind the outer one's header
    const outer = renderZip([zipPart('a', local)])
    const at = 31 + local.length
    const directory = join(outer.slice(at, at + 47), record)
    const bytes = join(outer.slice(0, at), directory, ...zipEnd(2, directory.length, at))
    const [a, b] = await open(bytes)
    expect(await b!.read()).toEqual(text('within'))
    await expect(a!.read()).rejects.toThrow('overlaps the entry that begins at byte 31')
    await expect(a!.start()).rejects.toThrow('overlaps the entry')
  })

  const changed = (change: (part: ReturnType<typeof zipPart>) => void): Uint8Array => {
    const part = zipPart('a', text('0123456789'))
    change(part)
    return renderZip([part])
  }
  const both = (fields: object) =>
    changed(({ local, central }) => {
      Object.assign(local, fields)
      Object.assign(central, fields)
    })
  const twice = renderZip([zipPart('a', text('1')), zipPart('a', text('2'))])
  const plain = renderZip([zipPart('a', text('1'))])
  const refused: [string, Uint8Array, string][] = [
    ['a name twice', twice, 'duplicate filename'],
    ['a name that leads out', both({ name: text('../a') }), 'Unsafe filename "../a"'],
    ['an absolute name', both({ name: text('/etc/a') }), 'Unsafe filename "/etc/a"'],
    ['a name with NUL', both({ name: text('a\0') }), 'Unsafe filename "a\\u0000"'],
    ['a folder', both({ name: text('a/') }), 'is a folder'],
    ['an encrypted entry', both({ flags: 1 }), 'is encrypted'],
    ['another method', both({ method: 12 }), 'is packed by method 12, expected 0 (stored) or 8 (deflated)'],
    ['two names for one entry', changed(({ local }) => { local.name = text('b') }), 'has a local header that says something else'],
    ['two sizes for one entry', changed(({ local }) => { local.size_bytes = 9n }), 'has a local header that says something else'],
    ['a wrong checksum', both({ crc: 1 }), 'its checksum is wrong'],
    ['bytes before it', Uint8Array.of(0, 0, 0, ...plain), 'prepended data'],
    ['bytes behind it', Uint8Array.of(...plain, 0), 'appended data'],
    ['its end missing', plain.subarray(0, -30), 'not found'],
  ] // biome-ignore format: a table
  it.each(refused)('with %s is refused', async (_, bytes, message) => {
    const error = await readAll(bytes).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(FormatError)
    expect((error as FormatError).message).toContain(message)
  })
})
