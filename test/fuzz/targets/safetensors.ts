/** Safetensors: mutated headers behind a length that fits them, so that the reader is not stopped at its first check. */

import { fromFloat32, fromInt32, openBytes, toFloat32 } from '../../../src/formats/index.ts'
import { parseSafetensors, writeSafetensors } from '../../../src/formats/safetensors.ts'
import type { Tensor } from '../../../src/formats/tensor.ts'
import { type Bytes, integer, join, mutateBytes, text } from '../bytes.ts'
import { fixture } from '../fixtures.ts'
import { HOSTILE_NAMES, mutateTree, type Node, renderTree, treeOf } from '../json.ts'
import type { Random } from '../random.ts'
import type { Target } from '../target.ts'

const FILE = 'fuzz.safetensors'
const LENGTH_BYTES = 8
const SHAPES = [[], [0], [1], [3, 5], [2, 3, 4], [0, 2 ** 31], [2 ** 52, 2 ** 52, 0], [1, 1, 1, 1]]
const WIDTHS = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 } as const // biome-ignore format: one row
const DTYPES = Object.keys(WIDTHS) as (keyof typeof WIDTHS)[]

export const safetensors: Target = {
  name: 'safetensors',
  bytes_per_byte: 16,
  sources: ['formats/safetensors.ts', 'formats/json.ts', 'formats/dtypes.ts', 'formats/memory.ts'],

  async seeds() {
    const tensors: [string, Tensor][] = [
      ['W_enc', fromFloat32(new Float32Array(15).fill(0.5), [3, 5])],
      ['b_enc', fromFloat32(new Float32Array(5), [5], 'BF16')],
      ['ids', fromInt32(Int32Array.of(1, -2, 3), [3])],
    ]
    return [
      writeSafetensors([]),
      writeSafetensors(tensors, { format: 'pt', note: 'é' }),
      writeSafetensors(tensors.slice(0, 1)),
      // A real header of many tensors, with as much data as it says.
      head(fixture('test/fixtures/gemma2-tiny/model.safetensors'), 6),
    ].map((bytes) => ({ [FILE]: bytes }))
  },

  mutate(random, seeds) {
    const bytes = random.pick(seeds)[FILE]!
    if (random.once(4)) {
      let out = bytes
      for (let n = random.few(6); n > 0; n--) {
        out = mutateBytes(random, out, random.pick(seeds)[FILE]!)
      }
      return { [FILE]: out }
    }
    return { [FILE]: random.once(4) ? valid(random) : mutateHeader(random, bytes) }
  },

  async read(files) {
    const file = await parseSafetensors(openBytes(FILE, files[FILE]!))
    for (const name of file.tensors.keys()) toFloat32(await file.read(name))
  },
}

function split(bytes: Bytes): { header: Node; data: Bytes } {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  const header = new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
  return { header: treeOf(JSON.parse(header)), data: bytes.slice(LENGTH_BYTES + length) }
}

function assemble(header: string, data: Bytes, length = BigInt(text(header).length)): Bytes {
  return join(integer(LENGTH_BYTES, length), text(header), data)
}

/** A file whose header is changed, behind a length that fits it. */
export function mutateHeader(random: Random, bytes: Bytes): Bytes {
  const { header, data } = split(bytes)
  for (let n = random.few(3); n > 0; n--) mutateTree(random, header)
  if (random.once(4)) shiftOffsets(random, header)
  const cut = random.once(6) ? data.slice(0, random.below(data.length + 1)) : data
  const written = renderTree(header) + ' '.repeat(random.once(3) ? random.below(9) : 0)
  return random.once(20) ? assemble(written, cut, random.integer()) : assemble(written, cut)
}

/** One tensor's range moved, stretched or turned round. */
function shiftOffsets(random: Random, header: Node): void {
  if (!('pairs' in header) || header.pairs.length === 0) return
  const [, tensor] = random.pick(header.pairs)
  if (!('pairs' in tensor)) return
  const offsets = tensor.pairs.find(([key]) => key === 'data_offsets')?.[1]
  if (offsets === undefined || !('items' in offsets)) return
  const by = random.pick([-8, -4, -1, 1, 4, 8, 2 ** 31])
  const which = random.below(3)
  offsets.items = offsets.items.map((item, i) =>
    'leaf' in item && (which === 2 || which === i)
      ? { leaf: String(Number(item.leaf) + by) }
      : item,
  )
}

/** A file that follows the format, of odd names, types and shapes; now and then of very many tensors. */
function valid(random: Random): Bytes {
  const n = random.once(500) ? 5000 : random.below(6)
  const pairs: [string, Node][] = []
  let end = 0
  for (let i = 0; i < n; i++) {
    const dtype = random.pick(DTYPES)
    const shape = n > 6 ? [] : random.pick(SHAPES)
    const begin = end
    end += (shape.includes(0) ? 0 : shape.reduce((count, size) => count * size, 1)) * WIDTHS[dtype]
    const name = n > 6 ? `t${i}` : `${random.pick(HOSTILE_NAMES)}${random.once(2) ? i : ''}`
    pairs.push([name, treeOf({ dtype, shape, data_offsets: [begin, end] })])
  }
  return assemble(
    renderTree({ pairs: random.once(2) ? pairs.reverse() : pairs }),
    random.bytes(end),
  )
}

/** The first tensors of a file, in the order of its data, as a file of their own. */
function head(bytes: Bytes, n: number): Bytes {
  const { header, data } = split(bytes)
  const tensors = JSON.parse(renderTree(header)) as Record<string, { data_offsets: number[] }>
  const kept = Object.entries(tensors)
    .filter(([name]) => name !== '__metadata__')
    .sort(([, a], [, b]) => a.data_offsets[1]! - b.data_offsets[1]!)
    .slice(0, n)
  return assemble(
    JSON.stringify(Object.fromEntries(kept)),
    data.slice(0, kept.at(-1)![1].data_offsets[1]),
  )
}
