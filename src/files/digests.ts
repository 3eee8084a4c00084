/**
 * SHA-256 of the pieces of large files, remembered between runs in the user's cache folder.
 *
 * An entry holds for one path, size, time of modification and of change, and inode. One that is absent, damaged or of an older file
 * is computed anew; one that cannot be written is left out.
 */

import { createHash } from 'node:crypto'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { explainFileError } from './errors.ts'
import { writeJson } from './write.ts'

/** A digest of SHA-256. */
const DIGEST_BYTES = 32
/** Read and hashed at a time. */
const READ_BYTES = 2 ** 20
/** Smaller files are hashed faster than remembered. */
const MIN_BYTES = 2 ** 28
/** A file changed so lately may change again within the same tick of its clock. */
const SETTLED_MS = 2000

/** `check` is the digest of the other two. */
type Entry = { readonly file: string; readonly digests: string; readonly check: string }

export type DigestOptions = {
  /** Where digests are remembered; `hooke` in the user's cache folder unless given. */
  readonly cache?: string
  /** Files of fewer bytes are not remembered. */
  readonly min_bytes?: number
}

/**
 * The SHA-256 digests of a file's pieces of `piece_bytes` (the last may be shorter), in order, one after another: [n_pieces, 32].
 * @throws FileError if the file cannot be read.
 */
export async function fileDigests(
  path: string,
  piece_bytes: number,
  { cache = userCache(), min_bytes = MIN_BYTES }: DigestOptions = {},
): Promise<Uint8Array> {
  const whole = resolve(path)
  try {
    const handle = await open(whole, 'r')
    try {
      const { size, mtimeNs, ctimeNs, ino, dev } = await handle.stat({ bigint: true })
      const file = [whole, size, mtimeNs, ctimeNs, dev, ino, piece_bytes].join(' ')
      const n_bytes = DIGEST_BYTES * Math.ceil(Number(size) / piece_bytes)
      const entry = join(cache, 'digests', `${sha256(`${whole} ${piece_bytes}`)}.json`)
      const isLarge = Number(size) >= min_bytes
      const known = isLarge ? await remembered(entry, file) : undefined
      if (known !== undefined) return known
      const digests = await digest(handle, piece_bytes)
      const isSettled = Date.now() - Number(ctimeNs / 1_000_000n) > SETTLED_MS
      const after = await handle.stat({ bigint: true })
      if (isLarge && isSettled && after.ctimeNs === ctimeNs && digests.length === n_bytes) {
        const hex = digests.toString('hex')
        const found: Entry = { file, digests: hex, check: sha256(`${file} ${hex}`) }
        // A cache that cannot be written costs time at the next opening, and nothing else.
        await writeJson(entry, found).catch(() => {})
      }
      return digests
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw await explainFileError(error, 'read', path)
  }
}

/** The digests of an entry that is whole and of this very file. */
async function remembered(path: string, file: string): Promise<Uint8Array | undefined> {
  try {
    const entry = JSON.parse(await readFile(path, 'utf8')) as Partial<Entry> | null
    if (entry?.file !== file || typeof entry.digests !== 'string') return undefined
    if (entry.check !== sha256(`${file} ${entry.digests}`)) return undefined
    return Buffer.from(entry.digests, 'hex')
  } catch {
    return undefined
  }
}

/** One pass over a file, in as much memory as is read at a time. */
async function digest(handle: FileHandle, piece_bytes: number): Promise<Buffer> {
  const room = new Uint8Array(Math.min(READ_BYTES, piece_bytes))
  const digests: Buffer[] = []
  let hash = createHash('sha256')
  let in_piece = 0
  for (let at = 0; ; ) {
    const wanted = Math.min(room.length, piece_bytes - in_piece)
    const { bytesRead } = await handle.read(room, 0, wanted, at)
    hash.update(room.subarray(0, bytesRead))
    at += bytesRead
    in_piece += bytesRead
    const isEnd = bytesRead === 0
    if (in_piece === piece_bytes || (isEnd && in_piece > 0)) {
      digests.push(hash.digest())
      hash = createHash('sha256')
      in_piece = 0
    }
    if (isEnd) return Buffer.concat(digests)
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

function userCache(): string {
  const given = process.env.XDG_CACHE_HOME
  return join(given !== undefined && isAbsolute(given) ? given : join(homedir(), '.cache'), 'hooke')
}
