/** .npy arrays: mutated dictionaries behind a length that fits them, and every odd shape that a tuple can hold. */

import { toFloat32 } from '../../../src/formats/index.ts'
import { parseNpy } from '../../../src/formats/npy.ts'
import { type Bytes, integer, join, mutateBytes, text } from '../bytes.ts'
import type { Random } from '../random.ts'
import type { Target } from '../target.ts'

const FILE = 'fuzz.npy'
const WIDTHS: Readonly<Record<string, number>> = {
  '<f8': 8, '<f4': 4, '<f2': 2, '<i8': 8, '<i4': 4, '<i2': 2, '|i1': 1, '<u8': 8, '<u4': 4, '<u2': 2, '|u1': 1, '|b1': 1,
} // biome-ignore format: one row
const GOOD_DESCRS = Object.keys(WIDTHS)
const BAD_DESCRS = [
  "'>f4'", "'=f4'", "'f4'", "'<f16'", "'<c8'", "'|O'", "'|S5'", "'<U3'", "'<M8[ns]'", "'|V8'", "''", "'<'", "'<toString'",
  "'<__proto__'", "[('a', '<f4')]", "('<f4', (2,))", 'None', "'<f4", "'\\x3cf4'", '"<f4"',
] as const // biome-ignore format: one list
const ORDERS = ['True', 'False', 'true', '0', 'None', "'C'"] as const
const SIZES = ['0', '1', '3', '5', '007', '-1', '1.5', '1e3', '3L', '9999999999', '18446744073709551616', ' ', '3 5', 'a', 'True'] as const // biome-ignore format: one row
const GOOD_SHAPES = [[], [0], [1], [7], [3, 5], [2, 3, 4], [0, 4], [5, 0, 2], [1, 1, 1, 6]]

type Parts = { descr: string; order: string; shape: string; data: Bytes }

export const npy: Target = {
  name: 'npy',
  bytes_per_byte: 16,
  sources: ['formats/npy.ts', 'formats/dtypes.ts'],

  async seeds() {
    return ['<f4', '<f2', '<i8', '|b1'].flatMap((descr) =>
      ['True', 'False'].map((order) => ({
        [FILE]: render(parts(descr, order, [3, 5], new Uint8Array(15 * WIDTHS[descr]!))),
      })),
    )
  },

  mutate(random, seeds) {
    const seed = random.pick(seeds)[FILE]!
    return { [FILE]: mutateNpy(random, seed, random.pick(seeds)[FILE]!) }
  },

  async read(files) {
    toFloat32(parseNpy(FILE, files[FILE]!))
  },
}

/** A mutated .npy array, for this target and for archives of such arrays. */
export function mutateNpy(random: Random, seed: Bytes, other: Bytes): Bytes {
  if (random.once(3)) {
    let out = seed
    for (let n = random.few(5); n > 0; n--) out = mutateBytes(random, out, other)
    return out
  }
  return render(oddParts(random), random)
}

function parts(descr: string, order: string, shape: readonly number[], data: Bytes): Parts {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  return { descr: `'${descr}'`, order, shape: `(${tuple})`, data }
}

/** An array that follows the format, then perhaps one or two of its parts changed. */
function oddParts(random: Random): Parts {
  const descr = random.pick(GOOD_DESCRS)
  const shape = random.pick(GOOD_SHAPES)
  const n = shape.reduce((count, size) => count * size, 1)
  const out = parts(descr, random.pick(['True', 'False']), shape, random.bytes(n * WIDTHS[descr]!))
  for (let changes = random.below(5) - 2; changes > 0; changes--) {
    switch (random.below(4)) {
      case 0:
        out.descr = random.pick(BAD_DESCRS)
        break
      case 1:
        out.order = random.pick(ORDERS)
        break
      case 2:
        out.shape = oddShape(random)
        break
      default:
        out.data = random.bytes(random.pick([0, 1, out.data.length + 1, random.below(64)]))
    }
  }
  return out
}

function oddShape(random: Random): string {
  const long = random.once(20) ? random.pick([32, 64, 65, 20_000]) : random.below(5)
  const size = random.once(2) ? () => random.pick(SIZES) : () => '1'
  const gap = random.once(50) ? ' '.repeat(20_000) : random.pick([', ', ',', ' ', ',,'])
  const list = Array.from({ length: Math.min(long, gap.length > 9 ? 2 : long) }, size).join(gap)
  return random.pick(['(', '(', '(', '[', '']) + list + random.pick([',)', ')', ']', ''])
}

/** The array's bytes; with chance, of another version, order of fields, padding or length than NumPy's. */
function render({ descr, order, shape, data }: Parts, random?: Random): Bytes {
  const fields = [`'descr': ${descr}`, `'fortran_order': ${order}`, `'shape': ${shape}`]
  if (random?.once(16)) fields.splice(random.below(3), 1)
  if (random?.once(16)) fields.push(random.pick([...fields, "'__proto__': True", "'extra': 'x'"]))
  if (random?.once(8)) fields.reverse()
  const dict = text(`{${fields.join(', ')}, }${' '.repeat(random?.below(40) ?? 3)}\n`)
  const version = random?.once(6) ? random.pick([0, 1, 2, 3, 4, 255]) : 1
  const width = version === 1 ? 2 : 4
  const length = random?.once(12) ? random.integer() : dict.length
  const magic = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, random?.below(2) ?? 0)
  return join(magic, integer(width, length), dict, data)
}
