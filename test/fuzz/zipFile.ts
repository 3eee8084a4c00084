/** ZIP archives of any fields one likes: what a writer would never write. Not a writer for use. */

import { crc32, deflateRawSync } from 'node:zlib'
import { type Bytes, integer, join, text } from './bytes.ts'
import { HOSTILE_NAMES } from './json.ts'
import type { Random } from './random.ts'

/** What one header says of an entry. */
type Header = {
  name: Bytes
  flags: number
  method: number
  crc: number
  packed_bytes: bigint
  size_bytes: bigint
  extra: Bytes
}

/** An entry: the same said twice, and the bytes between. */
export type ZipPart = { local: Header; central: Header; packed: Bytes; attributes: number }

/** What ends an archive, as differences from what it should say. */
type Ending = {
  comment: Bytes
  before: Bytes
  after: Bytes
  count_off: number
  size_off: number
  offset_off: number
  zip64: boolean
}

const ZIP64_EXTRA = 0x0001
/** 32 MiB of zeros in 32 KB. */
const BOMB = new Uint8Array(deflateRawSync(new Uint8Array(1 << 25), { level: 9 }))
const BOMB_CRC = crc32(new Uint8Array(1 << 25))

/** An honest entry. */
export function zipPart(name: string, data: Uint8Array, deflated = false): ZipPart {
  const packed = deflated ? new Uint8Array(deflateRawSync(data)) : new Uint8Array(data)
  const header = {
    name: text(name),
    flags: 0,
    method: deflated ? 8 : 0,
    crc: crc32(data),
    packed_bytes: BigInt(packed.length),
    size_bytes: BigInt(data.length),
    extra: new Uint8Array(0),
  }
  return { local: { ...header }, central: { ...header }, packed, attributes: 0 }
}

/** An entry inside a stored one: its header and bytes lie within the other's. */
const INNER = zipPart('inner.npy', new Uint8Array(70))

const INNER_BYTES = join(
  integer(4, 0x04034b50),
  common(INNER.local),
  INNER.local.name,
  INNER.packed,
)

/** An archive of these entries, honest where `random` is absent. */
export function renderZip(parts: readonly ZipPart[], random?: Random): Bytes {
  const ending = endingOf(random)
  const pieces: Bytes[] = [ending.before]
  const directory: Bytes[] = []
  let at = ending.before.length
  const starts: number[] = []
  const outer = random?.once(12) ? embed(random, parts) : undefined
  const all = outer === undefined ? parts : [...parts, INNER]
  let inner = 0
  for (const part of all) {
    const { local, central, packed, attributes } = part
    // Now and then an entry that has no bytes of its own, but those of an entry before it.
    const shared = random?.once(40) && starts.length > 0 ? random.pick(starts) : undefined
    const start = part === INNER ? inner : (shared ?? at)
    if (part !== INNER && shared === undefined) {
      const head = join(integer(4, 0x04034b50), common(local), local.name, local.extra)
      if (part === outer) inner = at + head.length
      pieces.push(head, packed)
      at += head.length + packed.length
      starts.push(start)
    }
    directory.push(
      integer(4, 0x02014b50),
      integer(2, 45),
      common(central),
      integer(2, 0), // comment
      integer(2, 0), // disk
      integer(2, 0),
      integer(4, attributes),
      integer(4, random?.once(60) ? random.integer() : start),
      central.name,
      central.extra,
    )
  }
  const list = join(...directory)
  return join(
    ...pieces,
    list,
    ...end(all.length, list.length, at, ending),
    ending.comment,
    ending.after,
  )
}

/** Puts INNER into a stored entry that has room for it, whose checksum stays right; undefined where none has. */
function embed(random: Random, parts: readonly ZipPart[]): ZipPart | undefined {
  const roomy = parts.filter(
    ({ central, packed }) => central.method === 0 && packed.length >= INNER_BYTES.length,
  )
  if (roomy.length === 0) return undefined
  const outer = random.pick(roomy)
  outer.packed = join(INNER_BYTES, outer.packed.subarray(INNER_BYTES.length))
  outer.local.crc = crc32(outer.packed)
  outer.central.crc = outer.local.crc
  return outer
}

/** Fields that a local header and a central one have alike, from the version needed to the lengths of name and extra. */
function common({ name, flags, method, crc, packed_bytes, size_bytes, extra }: Header): Bytes {
  return join(
    integer(2, 45),
    integer(2, flags),
    integer(2, method),
    integer(4, 0x00210000), // 1980-01-01
    integer(4, crc),
    integer(4, packed_bytes),
    integer(4, size_bytes),
    integer(2, name.length),
    integer(2, extra.length),
  )
}

function end(count: number, size: number, offset: number, ending: Ending): Bytes[] {
  const [n, bytes, start] = [
    count + ending.count_off,
    size + ending.size_off,
    offset + ending.offset_off,
  ]
  const short = join(
    integer(4, 0x06054b50),
    integer(4, 0),
    integer(2, ending.zip64 ? 0xffff : n),
    integer(2, ending.zip64 ? 0xffff : n),
    integer(4, ending.zip64 ? 0xffffffff : bytes),
    integer(4, ending.zip64 ? 0xffffffff : start),
    integer(2, ending.comment.length),
  )
  if (!ending.zip64) return [short]
  const long = join(
    integer(4, 0x06064b50), integer(8, 44), integer(2, 45), integer(2, 45), integer(8, 0),
    integer(8, n), integer(8, n), integer(8, bytes), integer(8, start),
  ) // biome-ignore format: one record
  const locator = join(
    integer(4, 0x07064b50),
    integer(4, 0),
    integer(8, offset + size),
    integer(4, 1),
  )
  return [long, locator, short]
}

/** The honest end of an archive with a ZIP64 record, as one of more than 65,535 entries must have. */
export function zipEnd(count: number, size: number, offset: number): Bytes[] {
  return end(count, size, offset, { ...endingOf(undefined), zip64: true })
}

function endingOf(random: Random | undefined): Ending {
  const odd = (n: number): boolean => random?.once(n) ?? false
  const off = (): number => (odd(40) ? random!.below(200) - 100 : 0)
  return {
    comment: odd(30) ? random!.bytes(random!.below(40)) : new Uint8Array(0),
    before: odd(40) ? random!.bytes(random!.below(40)) : new Uint8Array(0),
    after: odd(40) ? random!.bytes(random!.below(40)) : new Uint8Array(0),
    count_off: odd(40) ? random!.below(3) - 1 : 0,
    size_off: off(),
    offset_off: off(),
    zip64: odd(10),
  }
}

/** One change of one entry: a name, a size, a checksum, a method, flags, a bomb; in one header or in both. */
export function mutatePart(random: Random, part: ZipPart): void {
  const headers = random.pick([[part.local], [part.central], [part.local, part.central]])
  const set = (change: Partial<Header>) => {
    for (const header of headers) Object.assign(header, change)
  }
  switch (random.below(9)) {
    case 0:
      set({ name: text(random.pick(HOSTILE_NAMES)) })
      return
    case 1:
      set({ name: join(text(random.pick(HOSTILE_NAMES)), part.central.name) })
      return
    case 2:
      set({ size_bytes: BigInt.asUintN(32, random.integer()) })
      return
    case 3:
      set({ packed_bytes: BigInt.asUintN(32, random.integer()) })
      return
    case 4:
      set({ crc: random.below(2 ** 32) })
      return
    case 5:
      set({ method: random.pick([0, 8, 9, 12, 14, 93, 99, 65_535]) })
      return
    case 6:
      set({ flags: 1 << random.below(16) })
      return
    case 7:
      if (random.once(3)) part.attributes = random.below(2 ** 32)
      set({ ...zip64(random, part), extra: part.central.extra })
      return
    default:
      if (random.once(200)) bomb(random, part)
      else set({ extra: random.bytes(random.below(24)) })
  }
}

/** Sizes moved into a ZIP64 field, true or not. */
function zip64(random: Random, { central }: ZipPart): Partial<Header> {
  const sizes = [central.size_bytes, central.packed_bytes].map((size) =>
    random.once(3) ? random.integer() : size,
  )
  const extra = join(
    integer(2, ZIP64_EXTRA),
    integer(2, 16),
    integer(8, sizes[0]!),
    integer(8, sizes[1]!),
  )
  central.extra = extra
  return { size_bytes: 0xffffffffn, packed_bytes: 0xffffffffn }
}

/** Bytes that unpack to a thousand times as many; what is said of them is true, or a little, or far too much. */
function bomb(random: Random, part: ZipPart): void {
  const size_bytes = random.pick([1n << 25n, 100n, 1n << 26n, 4_000_000_000n])
  const said = { method: 8, crc: BOMB_CRC, packed_bytes: BigInt(BOMB.length), size_bytes }
  Object.assign(part.local, said)
  Object.assign(part.central, said)
  part.packed = BOMB
}
