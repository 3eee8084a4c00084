/** The content hash of a model, for manifests. */

import type { ByteSource } from '../formats/index.ts'

const CHUNK_BYTES = 2 ** 26

/**
 * SHA-256 over the SHA-256 digests of the sources' 64 MiB pieces, in order, as lower-case hex.
 * A tree of one level, because WebCrypto hashes only what lies in memory as a whole.
 */
export async function hashModel(sources: readonly ByteSource[]): Promise<string> {
  const digests: Uint8Array[] = []
  for (const source of sources) {
    for (let offset = 0; offset < source.size_bytes; offset += CHUNK_BYTES) {
      const piece = await source.read(offset, Math.min(CHUNK_BYTES, source.size_bytes - offset))
      digests.push(new Uint8Array(await crypto.subtle.digest('SHA-256', piece)))
    }
  }
  const all = new Uint8Array(digests.length * 32)
  digests.forEach((digest, i) => {
    all.set(digest, i * 32)
  })
  const root = new Uint8Array(await crypto.subtle.digest('SHA-256', all))
  return Array.from(root, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
