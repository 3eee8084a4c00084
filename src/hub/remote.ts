/** A file on the Hub as a byte source: ranges of it, each fetched when read. */
import { setTimeout } from 'node:timers/promises'
import { type ByteSource, checkRange } from '../formats/index.ts'
import { fileUrl } from './download.ts'
import { explainConnection, HubError } from './errors.ts'
import type { HubFile, Listing } from './listing.ts'
import { request } from './request.ts'
import type { HubSettings } from './settings.ts'

/**
 * Opens a file for ranged reads; nothing is asked before the first. Bytes are not compared with the file's checksum, which is
 * of the whole.
 * @throws from a read: HubError as requests do, reason `refused` if the storage knows no ranges.
 */
export function openRemote(
  settings: HubSettings,
  listing: Listing,
  file: HubFile,
  { name, signal }: { name: string; signal?: AbortSignal | undefined },
): ByteSource & { close(): Promise<void> } {
  return {
    name,
    size_bytes: file.size_bytes,
    async read(offset, length) {
      checkRange(name, file.size_bytes, offset, length)
      const bytes = new Uint8Array(length)
      let done = 0
      let failures = 0
      while (done < length) {
        const before = done
        try {
          const body = await openRange(
            settings,
            listing,
            file,
            [offset + done, offset + length],
            signal,
          )
          for await (const piece of body) {
            const part = piece.subarray(0, length - done)
            bytes.set(part, done)
            done += part.length
          }
          if (done < length) throw new Error(`the answer ended at byte ${offset + done}`)
        } catch (error) {
          signal?.throwIfAborted()
          if (error instanceof HubError) throw error
          if (done > before) failures = 0
          if (failures++ >= settings.n_retries)
            throw explainConnection(error, {
              name: listing.name,
              file: file.path,
              endpoint: settings.endpoint,
              hasToken: settings.token !== undefined,
            })
          await setTimeout(settings.retry_ms * 2 ** (failures - 1), undefined, { signal })
        }
      }
      return bytes
    },
    async close() {},
  }
}

/** @param range first byte, and the one after the last. */
async function openRange(
  settings: HubSettings,
  { type, name, commit }: Listing,
  file: HubFile,
  [from, to]: readonly [number, number],
  signal: AbortSignal | undefined,
): Promise<ReadableStream<Uint8Array>> {
  const { response } = await request(settings, fileUrl(settings, type, name, commit, file), {
    name,
    file: file.path,
    type,
    headers: { 'accept-encoding': 'identity', range: `bytes=${from}-${to - 1}` },
    signal: AbortSignal.any([
      AbortSignal.timeout(10 * settings.silence_ms),
      ...(signal ? [signal] : []),
    ]),
  })
  const isWhole = response.status === 200 && from === 0
  const answered = response.headers.get('content-range')
  if (response.body !== null && (isWhole || answered?.startsWith(`bytes ${from}-`)))
    return response.body
  await response.body?.cancel()
  throw new HubError(
    'refused',
    `${name}: ${file.path}: ${settings.endpoint} answers with ${answered ?? 'the whole file'} where bytes ${from} to ${to - 1} were asked for, so it cannot be read in part. Fetch it instead: hooke pull ${name} --type dataset --include "${file.path}"`,
  )
}
