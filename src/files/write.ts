/**
 * Atomic writes: a file appears under its name whole and flushed to disk, or not at all.
 *
 * The bytes go to a temporary file in the same folder, which is flushed (fsync) and then renamed over the target;
 * a reader sees the old file or the new one, and a full disk leaves the old one as it was. What a killed writer leaves of
 * temporary files, `sweepLeftovers` removes.
 */

import { appendFile, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explainFileError } from './errors.ts'
import { temporaryPath } from './leftovers.ts'

/** What to write: bytes, text (as UTF-8), or pieces of bytes in order. */
export type FileContent = Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * Writes a file atomically; its folder is made where missing.
 * @throws FileError if the disk is full (naming the bytes needed), the place may not be written, or is a folder. What
 *   `content` throws passes through. In all cases an older file of this name stays as it was.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const progress = { n_bytes: 0 }
  try {
    await mkdir(dirname(path), { recursive: true })
    const temporary = temporaryPath(path)
    const handle = await open(temporary, 'wx')
    try {
      await writeAll(handle, content, progress).finally(() => handle.close())
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await syncFolder(dirname(path))
  } catch (error) {
    throw await explainFileError(error, 'write', path, needs(content, progress))
  }
}

/**
 * Writes a value as indented JSON, atomically.
 * @throws FileError as `writeFileAtomic`.
 */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, undefined, 2)}\n`)
}

/**
 * Adds text (as UTF-8) to the end of a file, which is made where missing. Not atomic: a kill may leave the first part of it.
 * @throws FileError as `writeFileAtomic`.
 */
export async function appendText(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await appendFile(path, text)
  } catch (error) {
    throw await explainFileError(error, 'write', path, needs(text, { n_bytes: 0 }))
  }
}

/**
 * Makes a folder and those above it; one that is there already stays as it is.
 * @throws FileError if it may not be made or a file stands in its place.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw await explainFileError(error, 'write', path)
  }
}

/**
 * Removes a file or a folder with all that is in it; nothing happens where there is none.
 * @throws FileError if it may not be removed.
 */
export async function removePath(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    throw await explainFileError(error, 'write', path)
  }
}

/** Writes everything and flushes it to disk. */
async function writeAll(
  handle: FileHandle,
  content: FileContent,
  progress: { n_bytes: number },
): Promise<void> {
  for await (const chunk of chunksOf(content)) {
    let at = 0
    while (at < chunk.byteLength) {
      const { bytesWritten } = await handle.write(chunk, at)
      at += bytesWritten
      progress.n_bytes += bytesWritten
    }
  }
  await handle.sync()
}

function chunksOf(content: FileContent): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof content === 'string') return [new TextEncoder().encode(content)]
  return content instanceof Uint8Array ? [content] : content
}

/** The whole size where it is known; of a stream, what was written is not enough. */
function needs(content: FileContent, progress: { n_bytes: number }): string {
  if (typeof content === 'string') return `${Buffer.byteLength(content)} bytes`
  if (content instanceof Uint8Array) return `${content.byteLength} bytes`
  return `more than ${progress.n_bytes} bytes`
}

/** Flushes the folder's list of names, without which a renamed file may vanish in a power cut. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
