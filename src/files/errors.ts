/** What the operating system refused, said so that a person knows what to do. */

import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A file could not be read or written. `code` is the operating system's, e.g. `ENOENT` or `ENOSPC`. */
export class FileError extends Error {
  readonly path: string
  readonly code: string

  constructor(path: string, code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'FileError'
    this.path = path
    this.code = code
  }
}

/** The operating system's error code of a thrown value, `undefined` where it has none. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/**
 * A FileError for what was thrown while working on `path`; errors without a system code come back as they are.
 * @param needs how much was to be written, in words, e.g. `4096 bytes`.
 */
export async function explainFileError(
  error: unknown,
  doing: 'read' | 'write',
  path: string,
  needs?: string,
): Promise<unknown> {
  const code = errorCode(error)
  if (code === undefined || error instanceof FileError) return error
  const message = await explain(code, doing, path, needs)
  return new FileError(path, code, message ?? `${path}: could not ${doing} it (${code}).`, {
    cause: error,
  })
}

async function explain(
  code: string,
  doing: 'read' | 'write',
  path: string,
  needs: string | undefined,
): Promise<string | undefined> {
  switch (code) {
    case 'ENOENT':
      return doing === 'read'
        ? `${path}: there is no such file or folder. Check the path; relative paths start at ${process.cwd()}.`
        : `${path}: its folder does not exist or was removed while writing.`
    case 'EACCES':
    case 'EPERM':
      return `${path}: no permission to ${doing} it. Change its owner or mode, or choose another folder.`
    case 'EROFS':
      return `${path}: lies on a read-only disk. Choose another folder.`
    case 'ENOSPC':
    case 'EDQUOT':
      return `${path}: disk full${await space(path, needs)}. Nothing that was there before is lost; free some space or choose another disk, then run it again.`
    case 'EFBIG':
      return `${path}: larger than this file system or the process limit (ulimit -f) allows${await space(path, needs)}.`
    case 'EISDIR':
      return `${path}: is a folder, expected a file. Choose another path.`
    case 'ENOTDIR':
    case 'EEXIST':
      return `${path}: a part of the path is a file, expected a folder. Choose another path.`
    case 'EMFILE':
    case 'ENFILE':
      return `${path}: too many files are open. Raise the limit (ulimit -n) or run fewer things at once.`
    default:
      return undefined
  }
}

async function space(path: string, needs: string | undefined): Promise<string> {
  const free = await freeBytes(dirname(path))
  const has = free === undefined ? undefined : `the disk has ${free} free`
  const parts = [needs === undefined ? undefined : `it needs ${needs}`, has].filter(
    (part) => part !== undefined,
  )
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

/** Free bytes of the disk a folder lies on, `undefined` where the system does not tell. */
async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch {
    // Only decorates a message about another error, which must not be hidden by this one.
    return undefined
  }
}
