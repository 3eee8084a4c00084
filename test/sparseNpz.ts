/**
 * An .npz as large as one likes in no time: where an array is only a shape, a hole lies in the file, which reads as zeros until
 * something is written there. ZIP64 throughout, as numpy.savez writes. Holes have no checksum, so they can be read in pieces only.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

const UNSAID = 0xffffffff

export type SparseNpz = {
  /** Writes float32 numbers into an array from an element on. */
  write(name: string, first: number, values: Float32Array): Promise<void>
  readonly size_bytes: number
  close(): Promise<void>
}

export async function makeSparseNpz(
  path: string,
  arrays: Readonly<Record<string, readonly number[] | Float32Array>>,
): Promise<SparseNpz> {
  const file = await open(path, 'w')
  const starts = new Map<string, number>()
  const directory: Buffer[] = []
  let at = 0
  for (const [array, given] of Object.entries(arrays)) {
    const shape = given instanceof Float32Array ? [given.length] : given
    const name = Buffer.from(`${array}.npy`)
    const header = npyHeader(shape)
    const size = header.length + 4 * shape.reduce((product, axis) => product * axis, 1)
    const values = given instanceof Float32Array ? bytesOf(given) : undefined
    const crc = values === undefined ? 0 : crc32(values, crc32(header))
    const local = Buffer.concat([common(0x04034b50, name, crc, 20), name, zip64(size, size)])
    directory.push(Buffer.concat([common(0x02014b50, name, crc, 28), name, zip64(size, size, at)]))
    await file.write(Buffer.concat([local, header]), 0, local.length + header.length, at)
    starts.set(array, at + local.length + header.length)
    if (values !== undefined) await writeAll(file, values, at + local.length + header.length)
    at += local.length + size
  }
  const entries = Buffer.concat(directory)
  const end = Buffer.concat([entries, endOf(directory.length, entries.length, at)])
  await file.write(end, 0, end.length, at)
  return {
    size_bytes: at + end.length,
    async write(name, first, values) {
      await writeAll(file, bytesOf(values), starts.get(name)! + 4 * first)
    },
    close: () => file.close(),
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)

async function writeAll(file: FileHandle, bytes: Buffer, start: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, start + done)
    done += bytesWritten
  }
}

function npyHeader(shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tuple}), }`
  const length = Math.ceil((10 + dict.length + 1) / 64) * 64
  const header = Buffer.alloc(length, ' ')
  header.write('\x93NUMPY\x01\x00', 'latin1')
  header.writeUInt16LE(length - 10, 8)
  header.write(dict, 10, 'latin1')
  header[length - 1] = 0x0a
  return header
}

/** A local header (30 bytes) or an entry of the directory (46), sizes and place said in the extra field. */
function common(signature: number, name: Buffer, crc: number, extra: number): Buffer {
  const isLocal = signature === 0x04034b50
  const header = Buffer.alloc(isLocal ? 30 : 46)
  header.writeUInt32LE(signature, 0)
  const from = isLocal ? 4 : 6
  if (!isLocal) header.writeUInt16LE(45, 4)
  header.writeUInt16LE(45, from)
  header.writeUInt16LE(0x21, from + 8)
  header.writeUInt32LE(crc, from + 10)
  header.writeUInt32LE(UNSAID, from + 14)
  header.writeUInt32LE(UNSAID, from + 18)
  header.writeUInt16LE(name.length, from + 22)
  header.writeUInt16LE(extra, from + 24)
  if (!isLocal) header.writeUInt32LE(UNSAID, 42)
  return header
}

function zip64(...values: number[]): Buffer {
  const field = Buffer.alloc(4 + 8 * values.length)
  field.writeUInt16LE(1, 0)
  field.writeUInt16LE(8 * values.length, 2)
  values.forEach((value, i) => {
    field.writeBigUInt64LE(BigInt(value), 4 + 8 * i)
  })
  return field
}

function endOf(n_entries: number, size: number, start: number): Buffer {
  const end64 = Buffer.alloc(56)
  end64.writeUInt32LE(0x06064b50, 0)
  end64.writeBigUInt64LE(44n, 4)
  end64.writeUInt16LE(45, 12)
  end64.writeUInt16LE(45, 14)
  end64.writeBigUInt64LE(BigInt(n_entries), 24)
  end64.writeBigUInt64LE(BigInt(n_entries), 32)
  end64.writeBigUInt64LE(BigInt(size), 40)
  end64.writeBigUInt64LE(BigInt(start), 48)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeBigUInt64LE(BigInt(start + size), 8)
  locator.writeUInt32LE(1, 16)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(0xffff, 8)
  end.writeUInt16LE(0xffff, 10)
  end.writeUInt32LE(UNSAID, 12)
  end.writeUInt32LE(UNSAID, 16)
  return Buffer.concat([end64, locator, end])
}
