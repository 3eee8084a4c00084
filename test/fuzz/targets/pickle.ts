/** PyTorch's .pt files: mutated pickles in honest archives, views that reach out of their storages, archives that lie. */

import { openBytes, openTorch, toFloat32 } from '../../../src/formats/index.ts'
import { type Bytes, mutateBytes, text } from '../bytes.ts'
import { fixture, fixturesBelow } from '../fixtures.ts'
import { HOSTILE_NAMES } from '../json.ts'
import {
  mutateOperations,
  type Operation,
  renderPickle,
  type StateTensor,
  stateDict,
} from '../pickleFile.ts'
import type { Random } from '../random.ts'
import type { Target } from '../target.ts'
import { mutatePart, renderZip, type ZipPart, zipPart } from '../zipFile.ts'

const FILE = 'fuzz.pt'
const STORAGES = {
  FloatStorage: 4, DoubleStorage: 8, HalfStorage: 2, BFloat16Storage: 2, LongStorage: 8, IntStorage: 4, ShortStorage: 2, CharStorage: 1,
  ByteStorage: 1, BoolStorage: 1,
} as const // biome-ignore format: one table
const NAMES = Object.keys(STORAGES) as (keyof typeof STORAGES)[]
const TENSORS: readonly (StateTensor & { readonly storage: keyof typeof STORAGES })[] = [
  { name: 'encoder.weight', storage: 'FloatStorage', key: '0', n: 15, start: 0, shape: [3, 5], stride: [5, 1] },
  { name: 'decoder.weight', storage: 'FloatStorage', key: '0', n: 15, start: 0, shape: [5, 3], stride: [1, 5] },
  { name: 'bias', storage: 'BFloat16Storage', key: '1', n: 7, start: 2, shape: [5], stride: [1] },
  { name: 'k', storage: 'LongStorage', key: '2', n: 1, start: 0, shape: [], stride: [] },
] // biome-ignore format: a table

export const pickle: Target = {
  name: 'pickle',
  bytes_per_byte: 6000,
  sources: ['formats/pickle.ts', 'formats/torch.ts', 'formats/zip.ts'],

  async seeds() {
    return [
      ...[[], TENSORS.slice(0, 1), TENSORS].map((tensors) =>
        renderZip(partsOf(tensors, stateDict(tensors))),
      ),
      ...fixturesBelow('test/fixtures/saes')
        .filter((path) => path.endsWith('/trainer_0/ae.pt'))
        .map(fixture),
    ].map((bytes) => ({ [FILE]: bytes }))
  },

  mutate(random, seeds) {
    if (random.once(5)) {
      let out = random.pick(seeds)[FILE]!
      for (let n = random.few(4); n > 0; n--) {
        out = mutateBytes(random, out, random.pick(seeds)[FILE]!)
      }
      return { [FILE]: out }
    }
    return { [FILE]: archive(random) }
  },

  async read(files) {
    const file = await openTorch(openBytes(FILE, files[FILE]!))
    for (const name of file.tensors.keys()) toFloat32(await file.read(name))
  },
}

function archive(random: Random): Bytes {
  // As PyTorch wrote before it had archives.
  if (random.once(200)) return renderPickle(stateDict(TENSORS))
  const tensors = random.once(2) ? TENSORS : oddTensors(random)
  const operations = stateDict(tensors)
  for (let n = random.below(4); n > 0; n--) mutateOperations(random, operations)
  const small = random.once(60) ? smallPickle(random) : operations
  const parts = partsOf(tensors, small)
  if (random.once(60)) parts[1] = zipPart('archive/byteorder', text(random.pick(['big', '', 'no'])))
  if (random.once(8)) {
    const first = parts[0]!
    parts[0] = zipPart('archive/data.pkl', mutateBytes(random, first.packed, first.packed), true)
  }
  if (random.once(12)) parts.splice(random.below(parts.length), 1)
  if (!random.once(8)) return renderZip(parts)
  if (parts.length > 0) mutatePart(random, random.pick(parts))
  return renderZip(parts, random)
}

/** Programs that end in something else than a dictionary, or in one of something else. */
function smallPickle(random: Random): Operation[] {
  const root = random.pick([']', 'N', '}', '}](K\u0001e', '}K\u0001Ns', '}NNs', 'ccollections\nOrderedDict\n)R', 'ccollections\nOrderedDict\n]\u0085R', 'ctorch\nFloatStorage\n', '}'.repeat(1_200_000)]) // biome-ignore format: one list
  return [
    Uint8Array.of(0x80, 2),
    Uint8Array.from(root, (character) => character.charCodeAt(0)),
    text('.'),
  ]
}

/** Tensors whose views fit, or nearly. */
function oddTensors(random: Random): typeof TENSORS {
  return Array.from({ length: random.below(4) }, (_, i) => {
    const shape = random.pick([
      [],
      [0],
      [3, 5],
      [2, 3, 4],
      [1, 1, 7],
      Array<number>(random.pick([64, 65, 300])).fill(1),
    ])
    const stride = shape.map((_, axis) => shape.slice(axis + 1).reduce((n, size) => n * size, 1))
    const n = shape.reduce((count, size) => count * size, 1)
    const size = (value: number): number =>
      random.once(12) ? Number(BigInt.asUintN(31, random.integer())) : value
    return {
      name: random.once(4) ? random.pick(HOSTILE_NAMES) : `t${i}`,
      storage: random.pick(NAMES),
      key: random.once(12) ? random.pick(HOSTILE_NAMES) : `${i}`,
      n: size(n),
      start: random.once(8) ? size(0) : 0,
      shape: shape.map(size),
      stride: (random.once(4) ? stride.toReversed() : stride).map(size),
    }
  })
}

function partsOf(tensors: typeof TENSORS, operations: readonly Operation[]): ZipPart[] {
  const storages = new Map(tensors.map((tensor) => [tensor.key, tensor]))
  return [
    zipPart('archive/data.pkl', renderPickle(operations), operations.length === 3),
    zipPart('archive/byteorder', text('little')),
    ...[...storages.values()].map(({ key, n, storage }) =>
      zipPart(`archive/data/${key}`, new Uint8Array(Math.min(n, 400) * STORAGES[storage])),
    ),
    zipPart('archive/version', text('3\n')),
  ]
}
