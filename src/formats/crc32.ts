/** The checksum of ZIP archives: CRC-32, polynomial 0xEDB88320 reflected, eight bytes at a time. */

/** TABLES[k][byte]: what a byte does to the checksum with k more bytes behind it. Signed, as the operators give them. */
const TABLES: readonly Int32Array[] = makeTables()

/** The checksum of bytes, as an unsigned number. */
export function crc32(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array,
  ] // biome-ignore format: eight alike
  let crc = -1
  let at = 0
  for (; at + 8 <= bytes.length; at += 8) {
    const a = crc ^ view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    crc =
      t7[a & 255]! ^ t6[(a >>> 8) & 255]! ^ t5[(a >>> 16) & 255]! ^ t4[a >>> 24]! ^
      t3[b & 255]! ^ t2[(b >>> 8) & 255]! ^ t1[(b >>> 16) & 255]! ^ t0[b >>> 24]! // biome-ignore format: four and four
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 255]!
  return ~crc >>> 0
}

function makeTables(): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    return crc
  })
  const tables = [first]
  for (let k = 1; k < 8; k++) {
    tables.push(tables[k - 1]!.map((crc) => (crc >>> 8) ^ first[crc & 255]!))
  }
  return tables
}
