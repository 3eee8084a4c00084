import { crc32 as reference } from 'node:zlib'
import { expect, it } from 'vitest'
import { crc32 } from './crc32.ts'

it('is the checksum that the catalogue of CRCs gives, and zlib', () => {
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926)
  for (let length = 0; length < 40; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length) & 255)
    expect(crc32(bytes)).toBe(reference(bytes))
    expect(crc32(bytes.subarray(3))).toBe(reference(bytes.subarray(3)))
  }
})
