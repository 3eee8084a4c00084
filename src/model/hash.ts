/** The content hash of a model, for manifests. */

import type { ByteSource } from '../formats/index.ts'

const PIECE_BYTES = 2 ** 26

/**
 * SHA-256 over the SHA-256 digests of the sources' 64 MiB pieces, in order, as lower-case hex.
 * A tree of one level, because WebCrypto hashes only what lies in memory as a whole.
 */
export async function hashModel(sources: readonly ByteSource[]): Promise<string> {
  const digests: Uint8Array[] = []
  for (const source of sources)
    digests.push(await (source.digests?.(PIECE_BYTES) ?? digestsOf(source)))
  const all = new Uint8Array(digests.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const digest of digests) {
    all.set(digest, at)
    at += digest.length
  }
  const root = new Uint8Array(await crypto.subtle.digest('SHA-256', all))
  return Array.from(root, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Digests [n_pieces, 32] of a source's pieces. */
async function digestsOf(source: ByteSource): Promise<Uint8Array> {
  const digests = new Uint8Array(32 * Math.ceil(source.size_bytes / PIECE_BYTES))
  for (let i = 0; i * PIECE_BYTES < source.size_bytes; i++) {
    const offset = i * PIECE_BYTES
    const piece = await source.read(offset, Math.min(PIECE_BYTES, source.size_bytes - offset))
    digests.set(new Uint8Array(await crypto.subtle.digest('SHA-256', piece)), 32 * i)
  }
  return digests
}
