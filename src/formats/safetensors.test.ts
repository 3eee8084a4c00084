import { describe, expect, it } from 'vitest'
import { fromFloat32, fromInt32, toFloat32, toInt32 } from './dtypes.ts'
import { FormatError } from './errors.ts'
import { openBytes } from './memory.ts'
import { parseSafetensors, streamSafetensors, writeSafetensors } from './safetensors.ts'
import type { Tensor } from './tensor.ts'

/** A file with this header text and this many bytes of data. */
function file(header: string | object, data_bytes: number, header_bytes?: bigint): Uint8Array {
  const json = new TextEncoder().encode(
    typeof header === 'string' ? header : JSON.stringify(header),
  )
  const bytes = new Uint8Array(8 + json.length + data_bytes)
  new DataView(bytes.buffer).setBigUint64(0, header_bytes ?? BigInt(json.length), true)
  bytes.set(json, 8)
  return bytes
}

const parse = (bytes: Uint8Array) => parseSafetensors(openBytes('some.safetensors', bytes))
const F32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
})

const TENSORS: [string, Tensor][] = [
  [
    'c',
    fromFloat32(
      Float32Array.from({ length: 15 }, (_, i) => i / 7),
      [3, 5],
      'BF16',
    ),
  ],
  ['a', fromInt32(Int32Array.of(1, -2, 3), [3])],
  ['b', fromFloat32(Float32Array.of(0.5), [])],
]

describe('a safetensors file', () => {
  it('reads back what was written, larger elements first, every tensor aligned', async () => {
    const bytes = writeSafetensors(TENSORS, { z: '1', a: 'é' })
    const read = await parse(bytes)
    expect([...read.tensors.keys()]).toEqual(['a', 'b', 'c'])
    expect(read.metadata).toEqual({ a: 'é', z: '1' })
    expect(toInt32(await read.read('a'))).toEqual(Int32Array.of(1, -2, 3))
    expect(await read.read('c')).toEqual(TENSORS[0]![1])
    for (const { offset } of read.tensors.values()) expect(offset % 4).toBe(0)
    expect(read.tensors.get('a')!.offset % 8).toBe(0)
  })

  it('is the same bytes whatever the order given, in memory and streamed', async () => {
    const bytes = writeSafetensors(TENSORS, { a: '1', b: '2' })
    expect(writeSafetensors(TENSORS.toReversed(), { b: '2', a: '1' })).toEqual(bytes)
    const streams = TENSORS.map(([name, { dtype, shape, bytes }]) => ({
      name,
      dtype,
      shape,
      chunks: () => [bytes.subarray(0, 1), bytes.subarray(1)],
    }))
    const pieces: number[] = []
    for await (const piece of streamSafetensors(streams, { a: '1', b: '2' })) pieces.push(...piece)
    expect(Uint8Array.from(pieces)).toEqual(bytes)
  })

  it('may hold no tensor, and tensors without elements', async () => {
    expect((await parse(writeSafetensors([]))).tensors.size).toBe(0)
    const empty = fromFloat32(new Float32Array(0), [0, 3])
    const read = await parse(
      writeSafetensors([
        ['e', empty],
        ['f', TENSORS[2]![1]],
      ]),
    )
    expect((await read.read('e')).shape).toEqual([0, 3])
    expect(toFloat32(await read.read('f'))).toEqual(Float32Array.of(0.5))
  })

  it('keeps tensors named like numbers or like object members', async () => {
    const one = TENSORS[2]![1]
    const read = await parse(
      writeSafetensors([
        ['10', one],
        ['2', one],
        ['__proto__', one],
      ]),
    )
    expect([...read.tensors.keys()]).toEqual(['10', '2', '__proto__'])
  })

  it('names the tensors it has when asked for another', async () => {
    const read = await parse(writeSafetensors(TENSORS))
    await expect(read.read('d')).rejects.toThrow('has no tensor "d"; it has "a", "b", "c"')
  })

  it('refuses to write what could not be read', async () => {
    expect(() => writeSafetensors([['__metadata__', TENSORS[1]![1]]])).toThrow(TypeError)
    expect(() => writeSafetensors([['a', { ...TENSORS[1]![1], shape: [4] }]])).toThrow(
      'Tensor "a" has 12 bytes, expected 16 for I32 of shape [4].',
    )
    expect(() => writeSafetensors([TENSORS[1]!, TENSORS[1]!])).toThrow('Two tensors are named "a"')
  })
})

describe('a damaged safetensors file is refused with the place and what to do', () => {
  const cases: [string, Uint8Array, string][] = [
    ['cut before the header length', new Uint8Array(5), 'has 5 bytes, expected at least 8'],
    ['cut inside the header', file('{}', 0, 3n), 'its header has 3 bytes, but only 2 follow'],
    ['with an oversized header', file('{}', 0, 2n ** 63n), 'the format allows 100000000'],
    ['with a header that is no JSON', file('{"a"', 0), 'header is not JSON'],
    ['with a header that is a list', file('[]', 0), 'header begins with byte 91, expected "{"'],
    ['with an empty header', file('', 0), 'header begins with byte none'],
    ['with bytes that are no UTF-8', file('{"\xff":', 0).fill(0xff, 10, 11), 'not JSON in UTF-8'],
    ['naming a tensor twice', file('{"a":1,"\\u0061":2}', 0), 'names "a" twice'],
    ['naming a field twice', file('{"a":{"dtype":"F32","dtype":"F16"}}', 0), 'names "dtype" twice'],
    ['with a tensor that is no object', file({ a: 3 }, 0), '"a" is 3, expected dtype, shape and data_offsets'],
    ['with an unknown dtype', file({ a: { ...F32(0, 4), dtype: 'F8_E4M3' } }, 4), 'has dtype "F8_E4M3", expected one of F64'],
    ['with an unknown field', file({ a: { ...F32(0, 4), scale: 2 } }, 4), 'unknown field "scale"'],
    ['with a negative size', file({ a: F32(0, 4, [-1]) }, 4), 'has shape [-1], expected sizes'],
    ['with a fractional size', file({ a: F32(0, 4, [1.5]) }, 4), 'has shape [1.5], expected sizes'],
    ['with a shape whose product overflows', file({ a: F32(0, 4, [2 ** 40, 2 ** 40]) }, 4), 'has 4 bytes, expected'],
    ['with one offset', file({ a: { ...F32(0, 4), data_offsets: [0] } }, 4), 'expected [begin, end]'],
    ['with offsets the wrong way round', file({ a: F32(4, 0, [1]) }, 4), 'has -4 bytes, expected 4'],
    ['with fewer bytes than its shape', file({ a: F32(0, 4, [3]) }, 4), 'has 4 bytes, expected 12 for F32 of shape [3]'],
    ['nested deeper than a header is', file(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 0), 'header nests deeper than 3 levels'],
    ['with a name that would clear the terminal', file({ '\u001b[2J': 1 }, 0), 'tensor "\\u001b[2J" is 1'],
    ['with no dtype', file({ a: { shape: [], data_offsets: [0, 4] } }, 4), 'has dtype none, expected one of F64'],
    ['with sizes beyond all bounds and a zero', file({ a: F32(0, 4, [...Array(22).fill(2 ** 52), 0]) }, 4), 'has 4 bytes, expected 0'],
    ['with overlapping tensors', file({ a: F32(0, 8), b: F32(4, 12) }, 12), '"b" overlaps the one before it'],
    ['with the same range twice', file({ a: F32(0, 8), b: F32(0, 8) }, 8), '"b" overlaps the one before it'],
    ['with a hole', file({ a: F32(0, 4), b: F32(8, 12) }, 12), '4 bytes before tensor "b" belong to no tensor'],
    ['cut inside a tensor', file({ a: F32(0, 8) }, 7), '"a" ends at 70, but the file has 69 bytes'],
    ['with bytes after the last tensor', file({ a: F32(0, 8) }, 9), '1 bytes after the last tensor'],
    ['with metadata that are no strings', file({ __metadata__: { a: 1 } }, 0), '__metadata__ is {"a": 1}, expected strings by name'],
  ] // biome-ignore format: a table
  for (const [name, bytes, message] of cases) {
    it(name, async () => {
      const error = await parse(bytes).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(FormatError)
      expect(error).toMatchObject({ path: 'some.safetensors', offset_bytes: expect.any(Number) })
      expect((error as FormatError).message).toContain(message)
    })
  }

  it('whatever byte is changed: a FormatError or the tensors, never another error', async () => {
    const bytes = writeSafetensors(TENSORS, { format: 'pt' })
    let seed = 1
    const random = (n: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return Math.floor((seed / 2 ** 32) * n)
    }
    let refused = 0
    for (let trial = 0; trial < 3000; trial++) {
      const mutant = bytes.slice(0, random(8) === 0 ? random(bytes.length) : bytes.length)
      for (let i = random(4); i >= 0; i--) {
        if (mutant.length > 0)
          mutant[random(mutant.length)] = random(3) === 0 ? random(256) : 0x20 + random(0x60)
      }
      try {
        const read = await parse(mutant)
        for (const name of read.tensors.keys()) toFloat32(await read.read(name))
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })
})
