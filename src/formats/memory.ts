/** Bytes in memory as a byte source: for tests, uploads and anything already fetched. */

import type { ByteSource } from './byteSource.ts'
import { FormatError } from './errors.ts'

/** A byte source over bytes already in memory. */
export function openBytes(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size_bytes: bytes.byteLength,
    async read(offset, length) {
      checkRange(name, bytes.byteLength, offset, length)
      // Not slice: a Buffer's shares memory.
      return new Uint8Array(bytes.subarray(offset, offset + length))
    },
  }
}

/**
 * Refuses a read past the end of a source.
 * @throws FormatError if `offset .. offset + length` does not lie within `size_bytes`.
 */
export function checkRange(name: string, size_bytes: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size_bytes) return
  throw new FormatError(
    name,
    `a read of ${length} bytes runs past the end of its ${size_bytes} bytes. The file is cut short: copy or download it again.`,
    { offset_bytes: offset },
  )
}
