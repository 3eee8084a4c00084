import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from '@zip.js/zip.js'
import { describe, expect, it } from 'vitest'
import { openBytes, openTorch, toFloat32 } from './index.ts'
import { type PickleHost, parsePickle } from './pickle.ts'

const text = (...parts: (string | number[])[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === 'string' ? [...part].map((c) => c.charCodeAt(0)) : part,
    ),
  )

/** A host without names. */
const PLAIN: PickleHost = {
  global: (name, fail) => {
    throw fail(`asks for ${name}.`)
  },
  call: (_, __, fail) => {
    throw fail('calls.')
  },
  persistent: (_, fail) => {
    throw fail('refers.')
  },
}
const read = (bytes: Uint8Array) => parsePickle('some.pkl', bytes, PLAIN)
const PROTO = [0x80, 2]

describe('a pickle', () => {
  it('of plain data is read', () => {
    // pickle.dumps({'a': [1, -2, 300, 70000, 2**40], 'b': (None, True, 0.5)}, protocol=2)
    const bytes = text(PROTO, '}q', [0], '(X', [1, 0, 0, 0], 'aq', [1], ']q', [2], '(K', [1], 'J', [254, 255, 255, 255],
      'M', [44, 1], 'J', [112, 17, 1, 0], [0x8a, 6, 0, 0, 0, 0, 0, 1], 'eX', [1, 0, 0, 0], 'bq', [3], 'N', [0x88], 'G',
      [0x3f, 0xe0, 0, 0, 0, 0, 0, 0], [0x87], 'q', [4], 'u.') // biome-ignore format: bytes
    expect(read(bytes)).toEqual(new Map<string, unknown>([['a', [1, -2, 300, 70_000, 2 ** 40]], ['b', [null, true, 0.5]]])) // biome-ignore format: one line
  })

  it.each([
    ['names anything', text(PROTO, 'cos\nsystem\n.'), 'asks for os.system. (at byte 2)'],
    ['of another protocol', text([0x80, 4], '.'), 'is a pickle of protocol 4, expected 2'],
    ['makes objects', text(PROTO, '))', [0x81], '.'), 'uses the operation NEWOBJ (byte 129)'],
    ['builds from the stack of names', text(PROTO, [0x93], '.'), 'uses the operation STACK_GLOBAL'],
    ['calls with INST', text(PROTO, '(ios\nsystem\n.'), 'uses the operation INST'],
    ['holds an unknown byte', text(PROTO, [0xff]), 'uses the operation unknown (byte 255)'],
    ['ends early', text(PROTO, 'X', [9, 0, 0, 0], 'abc'), 'ends inside an operation'],
    ['has no end', text(PROTO, ']'), 'ends inside an operation'],
    ['goes on after its end', text(PROTO, ']..'), 'goes on after its end'],
    ['pops nothing', text(PROTO, 's.'), 'takes a value that is not there'],
    ['closes nothing', text(PROTO, 't.'), 'closes a list that was not opened'],
    ['repeats what it never gave', text(PROTO, 'h', [7], '.'), 'repeats value 7'],
    ['names a key twice', text(PROTO, '}(K', [1], 'K', [2], 'K', [1], 'K', [3], 'u.'), 'has the key 1 twice'],
    ['appends to a dictionary', text(PROTO, '}Na.'), 'adds to what is no list'],
    ['sets the state of a list', text(PROTO, ']Nb.'), 'sets the state of an object'],
    ['holds a huge number', text(PROTO, [0x8a, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], '.'), 'a number of 9 bytes'],
    ['holds text that is none', text(PROTO, 'X', [1, 0, 0, 0, 0xff], '.'), 'text that is not UTF-8'],
  ])('that %s is refused', (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(message)
  }) // biome-ignore format: a table

  it('that nests tuples of tuples takes no more memory than it has bytes', () => {
    // Each step doubles what a copy would hold: 2^60 values, as references 60.
    const doubling = Array.from({ length: 60 }, (_, i) => ['q', [i], 'h', [i], [0x86]]).flat()
    expect(read(text(PROTO, ']', ...doubling, '.'))).toHaveLength(2)
  })
})

type Tensor = {
  key?: string
  n?: number
  start?: number
  shape: number[]
  stride: number[]
  type?: string
}

/** One tensor `w` as torch.save writes it; every number below 256. */
function stateDict({
  key = '0',
  n = 6,
  start = 0,
  shape,
  stride,
  type = 'FloatStorage',
}: Tensor): Uint8Array {
  const name = (value: string): (string | number[])[] => ['X', [value.length, 0, 0, 0], value]
  const tuple = (values: number[]): (string | number[])[] => [
    '(',
    values.flatMap((v) => [0x4b, v]),
    't',
  ]
  return text(PROTO, '}', ...name('w'), 'ctorch._utils\n_rebuild_tensor_v2\n((', ...name('storage'), `ctorch\n${type}\n`,
    ...name(key), ...name('cpu'), 'K', [n], 'tQK', [start], ...tuple(shape), ...tuple(stride), [0x89],
    'ccollections\nOrderedDict\n)RtRs.') // biome-ignore format: bytes
}

async function archive(entries: Record<string, Uint8Array>) {
  const zip = new ZipWriter(new Uint8ArrayWriter(), {
    level: 0,
    useWebWorkers: false,
    extendedTimestamp: false,
  })
  for (const [name, bytes] of Object.entries(entries))
    await zip.add(name, new Uint8ArrayReader(bytes))
  return openBytes('ae.pt', await zip.close())
}

const NUMBERS = Float32Array.of(0, 1, 2, 3, 4, 5)
const open = async (tensor: Tensor, more: Record<string, Uint8Array> = {}) =>
  openTorch(
    await archive({
      'ae/data.pkl': stateDict(tensor),
      'ae/data/0': new Uint8Array(NUMBERS.buffer),
      ...more,
    }),
  )

describe("PyTorch's file", () => {
  it('gives tensors in row-major order, whatever their steps', async () => {
    const values = async (tensor: Tensor) => [...toFloat32(await (await open(tensor)).read('w'))]
    expect(await values({ shape: [2, 3], stride: [3, 1] })).toEqual([0, 1, 2, 3, 4, 5])
    expect(await values({ shape: [3, 2], stride: [1, 3] })).toEqual([0, 3, 1, 4, 2, 5])
    expect(await values({ shape: [2, 2], stride: [3, 1], start: 1 })).toEqual([1, 2, 4, 5])
    expect(await values({ shape: [], stride: [], start: 4 })).toEqual([4])
  })

  it.each([
    ['reaches beyond its storage', { shape: [2, 3], stride: [3, 1], start: 1 }, 'reaches beyond its storage of 6 numbers'],
    ['repeats its numbers', { shape: [200, 200], stride: [0, 0] }, 'reaches beyond its storage of 6 numbers'],
    ['lies in a storage that is not there', { key: '7', shape: [6], stride: [1] }, 'which the archive does not hold'],
    ['lies in a storage of another size', { n: 9, shape: [6], stride: [1] }, 'a storage of 24 bytes, expected 36'],
    ['has sizes without steps', { shape: [6], stride: [] }, 'describes a tensor in another way'],
    ['is of a type that nobody knows', { type: 'QInt8Storage', shape: [6], stride: [1] }, 'asks for "torch.QInt8Storage"'],
  ])('of a tensor that %s is refused', async (_, tensor, message) => {
    await expect(open(tensor)).rejects.toThrow(message)
  }) // biome-ignore format: a table

  it('written with the bytes turned, or without a pickle, is refused', async () => {
    const tensor = { shape: [6], stride: [1] }
    await expect(open(tensor, { 'ae/byteorder': text('big') })).rejects.toThrow(
      'the numbers are big-endian',
    )
    await expect(openTorch(await archive({ 'ae/data/0': text('x') }))).rejects.toThrow(
      'holds no data.pkl',
    )
    const file = await open(tensor)
    await expect(file.read('v')).rejects.toThrow('has no tensor "v"; it has ["w"]')
  })
})
