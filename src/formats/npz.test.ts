import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { TextReader, Uint8ArrayWriter, ZipWriter } from '@zip.js/zip.js'
import { describe, expect, it } from 'vitest'
import { fromFloat32, fromInt32, toFloat32 } from './dtypes.ts'
import { FormatError } from './errors.ts'
import { openBytes } from './memory.ts'
import { parseNpy, renderNpyHeader } from './npy.ts'
import { readNpz, writeNpz } from './npz.ts'
import type { Tensor } from './tensor.ts'

const FIXTURE = resolve(import.meta.dirname, '../../test/fixtures/gemma-scope-npz')
const fixture = (name: string) => openBytes(name, readFileSync(resolve(FIXTURE, name)))

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const chunk of chunks) pieces.push(chunk)
  return new Uint8Array(Buffer.concat(pieces))
}

/** An .npy array with a header of one's own. */
function npy(dict: string, data: Uint8Array, version = 1): Uint8Array {
  const head = new Uint8Array(version === 1 ? 10 : 12)
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0])
  new DataView(head.buffer).setUint16(8, dict.length, true)
  return new Uint8Array([...head, ...new TextEncoder().encode(dict), ...data])
}
const header = (descr: string, order: string, shape: string) =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`

const TENSORS: [string, Tensor][] = [
  [
    'first',
    fromFloat32(
      Float32Array.from({ length: 105 }, (_, i) => Math.cos(i)),
      [3, 5, 7],
    ),
  ],
  ['second', fromInt32(Int32Array.of(4, -4), [2])],
  ['third', fromFloat32(Float32Array.of(2.5), [], 'F16')],
  ['empty', fromFloat32(new Float32Array(0), [0, 4])],
]

describe('an .npz archive', () => {
  it('written by Python, stored in C order or deflated in Fortran order, reads the same', async () => {
    const stored = await readNpz(fixture('stored.npz'))
    const deflated = await readNpz(fixture('deflated.npz'))
    expect([...stored.keys()]).toEqual(['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'])
    expect(stored.get('W_enc')!.shape).toEqual([3, 7])
    expect(deflated).toEqual(stored)
  })

  it('reads back what was written, and equal arrays give equal bytes', async () => {
    const bytes = await collect(writeNpz(TENSORS))
    expect([...(await readNpz(openBytes('a.npz', bytes)))]).toEqual(TENSORS)
    expect(await collect(writeNpz(TENSORS))).toEqual(bytes)
  })

  it('cut short or with one byte changed is refused with a FormatError', async () => {
    const bytes = await collect(writeNpz(TENSORS))
    for (let length = 0; length < bytes.length; length += 37) {
      const cut = openBytes('cut.npz', bytes.slice(0, length))
      await expect(readNpz(cut)).rejects.toBeInstanceOf(FormatError)
    }
    let refused = 0
    for (let at = 0; at < bytes.length; at += 3) {
      const changed = bytes.slice()
      changed[at]! ^= 0x15
      try {
        await readNpz(openBytes('changed.npz', changed))
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(bytes.length / 6)
  })

  it('with anything but arrays in it is refused', async () => {
    const zip = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false })
    await zip.add('readme.txt', new TextReader('hello'))
    const source = openBytes('some.npz', await zip.close())
    await expect(readNpz(source)).rejects.toThrow('some.npz/readme.txt: is not an .npy array')
  })

  it('has no BF16', () => {
    const bf16 = { dtype: 'BF16', shape: [1] } as const
    expect(() => renderNpyHeader(bf16)).toThrow('NumPy has no type for BF16')
  })
})

describe('an .npy array', () => {
  const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)

  it('in Fortran order is transposed to C order', () => {
    const array = parseNpy('a', npy(header('<f4', 'True', '(2, 3)'), floats))
    expect(array.shape).toEqual([2, 3])
    expect(toFloat32(array)).toEqual(Float32Array.of(1, 3, 5, 2, 4, 6))
    const cube = parseNpy('a', npy(header('<f4', 'True', '(1, 2, 3)'), floats))
    expect(toFloat32(cube)).toEqual(Float32Array.of(1, 3, 5, 2, 4, 6))
  })

  it('is read with the header that others write: double quotes, another order, no padding', () => {
    const dict = `{"shape": ( 2,3 ), "fortran_order":False , "descr": "<f4"}`
    expect(parseNpy('a', npy(dict, floats)).shape).toEqual([2, 3])
  })

  it('in C order shares memory with its bytes, and may lie unaligned', () => {
    const bytes = npy(header('<f4', 'False', '(6,)'), floats)
    expect(parseNpy('a', bytes).bytes.buffer).toBe(bytes.buffer)
    for (let shift = 0; shift < 4; shift++) {
      const shifted = new Uint8Array(bytes.length + shift)
      shifted.set(bytes, shift)
      const array = parseNpy('a', shifted.subarray(shift))
      expect(toFloat32(array)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
    }
  })

  it('of every width and version keeps its elements', () => {
    const longs = new Uint8Array(BigInt64Array.of(1n, 2n, 3n, 4n).buffer)
    const transposed = parseNpy('a', npy(header('<i8', 'True', '(2, 2)'), longs, 3))
    expect(toFloat32(transposed)).toEqual(Float32Array.of(1, 3, 2, 4))
    const bools = parseNpy('a', npy(header('|b1', 'True', '(2, 2)'), Uint8Array.of(1, 0, 0, 0), 2))
    expect(toFloat32(bools)).toEqual(Float32Array.of(1, 0, 0, 0))
    expect(toFloat32(parseNpy('a', npy(header('<f4', 'False', '(6,)'), floats)))).toHaveLength(6)
    expect(parseNpy('a', npy(header('<f4', 'False', '()'), floats.slice(0, 4))).shape).toEqual([])
  })

  it('whatever byte is changed: a FormatError or an array, never another error', () => {
    const bytes = npy(header('<f4', 'True', '(2, 3)'), floats)
    let seed = 1
    const random = (n: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return Math.floor((seed / 2 ** 32) * n)
    }
    let refused = 0
    for (let trial = 0; trial < 3000; trial++) {
      const mutant = bytes.slice(0, random(8) === 0 ? random(bytes.length) : bytes.length)
      for (let i = random(3); i >= 0; i--) {
        if (mutant.length > 0) mutant[random(mutant.length)] = random(256)
      }
      try {
        toFloat32(parseNpy('a.npy', mutant))
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })

  const refused: [string, Uint8Array, string][] = [
    ['big-endian', npy(header('>f4', 'False', '(6,)'), floats), "big-endian numbers ('>f4')"],
    ['of Python objects', npy(header('|O', 'False', '(6,)'), floats), 'numbers of type "|O"'],
    ['of structures', npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", floats), 'expected descr'],
    ['with a size that is two', npy(header('<f4', 'False', '(3 2,)'), floats), 'has the header'],
    ['with a comma too many', npy(header('<f4', 'False', '(,6)'), floats), 'has the header'],
    ['naming descr twice', npy("{'descr': '<f8', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", floats), 'has the header'],
    ['with a field of its own', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 'y'}", floats), 'has the header'],
    ['with text behind its header', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} + 1", floats), 'has the header'],
    ['of 65 axes', npy(header('<f4', 'False', `(6,${' 1,'.repeat(64)})`), floats), 'has 65 axes, expected at most 64'],
    ['without a version', npy('', floats).slice(0, 6), 'is .npy version none'],
    ['cut short', npy(header('<f4', 'False', '(7,)'), floats), 'has 24 bytes of numbers, expected 28'],
    ['of version 9', npy(header('<f4', 'False', '(6,)'), floats, 9), 'is .npy version 9'],
    ['with another magic', floats, 'does not begin with'],
    ['cut inside its header', npy(header('<f4', 'False', '(6,)'), floats).slice(0, 40), 'its header ends at byte'],
  ] // biome-ignore format: a table
  for (const [name, bytes, message] of refused) {
    it(`${name} is refused`, () => {
      expect(() => parseNpy('a.npy', bytes)).toThrow(FormatError)
      expect(() => parseNpy('a.npy', bytes)).toThrow(message)
    })
  }
})
