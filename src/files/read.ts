/** Files and folders on disk as the byte sources that formats read. */

import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { basename, isAbsolute, join, normalize, sep } from 'node:path'
import { type ByteSource, checkRange, type Folder, FormatError } from '../formats/index.ts'
import { fileDigests } from './digests.ts'
import { errorCode, explainFileError } from './errors.ts'

/** The most bytes that one system call is asked for. */
const MAX_READ_BYTES = 2 ** 30

/** An open file: close it when done. */
export type OpenFile = ByteSource & {
  readonly path: string
  close(): Promise<void>
}

/** A folder on disk. Its sources open the file at every read, so there is nothing to close. */
export type DiskFolder = Folder & {
  readonly path: string
}

/**
 * Opens a file for random access.
 * @throws FileError if it does not exist, may not be read, or is a folder.
 */
export async function openFile(path: string): Promise<OpenFile> {
  return explained('read', path, async () => {
    const handle = await open(path, 'r')
    try {
      const info = await handle.stat()
      if (info.isDirectory()) throw Object.assign(new Error('is a folder'), { code: 'EISDIR' })
      return {
        name: path,
        path,
        size_bytes: info.size,
        read: (offset, length) => readRange(handle, path, info.size, offset, length),
        close: () => handle.close(),
      }
    } catch (error) {
      await handle.close()
      throw error
    }
  })
}

/** A folder of files for the readers that take a `Folder`; it need not exist. */
export function openFolder(path: string): DiskFolder {
  return {
    name: basename(path) || path,
    path,
    async open(inner) {
      const whole = join(path, inner)
      if (isAbsolute(inner) || normalize(inner).split(sep).includes('..')) {
        throw new FormatError(path, `names the file "${inner}", which lies outside of the folder.`)
      }
      if (inner.includes('\0')) {
        throw new FormatError(path, `names the file "${inner}", which no system can hold.`)
      }
      const size_bytes = await sizeOf(whole)
      return size_bytes === undefined ? undefined : reopeningSource(whole, size_bytes)
    },
  }
}

/**
 * All bytes of a file.
 * @throws FileError if it cannot be read.
 */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await openFile(path)
  try {
    return await file.read(0, file.size_bytes)
  } finally {
    await file.close()
  }
}

/**
 * A file as text in UTF-8.
 * @throws FileError if it cannot be read, FormatError if the bytes are not UTF-8.
 */
export async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FormatError(path, 'is not text in UTF-8. Convert it, or name another file.', {
      cause,
    })
  }
}

/**
 * A JSON file as JavaScript values, unchecked.
 * @throws FileError if it cannot be read, FormatError if it is not JSON.
 */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new FormatError(
      path,
      `is not JSON (${(cause as Error).message.replace(/\s+/g, ' ')}). Mend it or copy it again; what Hooke wrote can be deleted and made again.`,
      { cause },
    )
  }
}

/** Whether a file or folder is there. */
export async function pathExists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw await explainFileError(error, 'read', path)
  }
}

/** Names in a folder, files and folders apart, each sorted; both empty where the folder does not exist. */
export async function listFolder(path: string): Promise<{ files: string[]; folders: string[] }> {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    const names = (wanted: boolean) =>
      entries.filter((entry) => entry.isDirectory() === wanted).map((entry) => entry.name)
    return { files: names(false).sort(), folders: names(true).sort() }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { files: [], folders: [] }
    throw await explainFileError(error, 'read', path)
  }
}

function reopeningSource(path: string, size_bytes: number): ByteSource {
  return {
    name: path,
    size_bytes,
    async read(offset, length) {
      const file = await openFile(path)
      try {
        return await file.read(offset, length)
      } finally {
        await file.close()
      }
    },
    digests: (piece_bytes) => fileDigests(path, piece_bytes),
  }
}

async function readRange(
  handle: FileHandle,
  path: string,
  size_bytes: number,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  checkRange(path, size_bytes, offset, length)
  const bytes = new Uint8Array(length)
  let done = 0
  while (done < length) {
    const wanted = Math.min(length - done, MAX_READ_BYTES)
    const { bytesRead } = await explained('read', path, () =>
      handle.read(bytes, done, wanted, offset + done),
    )
    if (bytesRead === 0) {
      throw new FormatError(path, 'became shorter while it was read. Run it again.', {
        offset_bytes: offset + done,
      })
    }
    done += bytesRead
  }
  return bytes
}

/** Size of a file, `undefined` where there is none. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const info = await stat(path)
    return info.isFile() ? info.size : undefined
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw await explainFileError(error, 'read', path)
  }
}

async function explained<T>(doing: 'read', path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw await explainFileError(error, doing, path)
  }
}
