/**
 * One file from the Hub into the cache:
 *
 *   1. take the blob's lock, or wait for who has it
 *   2. go on where `<etag>.incomplete` ends, by a ranged request; a cut connection is taken up again the same way
 *   3. compare the checksum; a wrong one means fetching anew, once
 *   4. flush, and give the blob its name
 */
import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { explainFileError } from '../files/index.ts'
import { blobPath, type RepoCache, sizeOf } from './cache.ts'
import { explainConnection, HubError, warn } from './errors.ts'
import type { HubFile, Listing } from './listing.ts'
import { lockBlob } from './lock.ts'
import { request } from './request.ts'
import type { HubSettings } from './settings.ts'

export type DownloadOptions = {
  readonly signal?: AbortSignal | undefined
  /** Bytes that are new on disk; negative where some turned out to be wrong. */
  readonly onBytes: (n_bytes: number) => void
}

/** An incomplete file that another program may still be writing is left alone until it has been silent for so long. */
const FOREIGN_SILENT_MS = 5_000

/**
 * Fetches a file unless its blob is there whole.
 * @throws HubError as requests do, reason `damaged` if the checksum is wrong twice; FileError if it cannot be written.
 */
export async function downloadBlob(
  settings: HubSettings,
  listing: Listing,
  file: HubFile,
  cache: RepoCache,
  options: DownloadOptions,
): Promise<void> {
  const path = blobPath(cache, file.etag)
  const isWhole = async () => (await sizeOf(path)) === file.size_bytes
  const lock = await lockBlob(join(cache.locks, `${file.etag}.hooke`), {
    signal: options.signal,
    isSettled: isWhole,
  })
  if (lock === undefined) return options.onBytes(file.size_bytes)
  let isDone = false
  try {
    const incomplete = `${path}.incomplete`
    await makeFolderOf(incomplete)
    if (!lock.isResumed) await untilSilent(incomplete, options.signal)
    await fetchWhole(settings, listing, file, incomplete, options)
    await rename(incomplete, path).catch(async (error: unknown) => {
      throw await explainFileError(error, 'write', path)
    })
    isDone = true
  } finally {
    await lock.release(isDone)
  }
}

/** Step 2 and 3, on an open file. */
async function fetchWhole(
  settings: HubSettings,
  listing: Listing,
  file: HubFile,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r+').catch(() => open(path, 'w+'))
  } catch (error) {
    throw await explainFileError(error, 'write', path)
  }
  try {
    for (let attempt = 0; attempt < 2; attempt++) {
      const partial = await openPartial(handle, file)
      options.onBytes(partial.n_bytes)
      await fetchRest(settings, listing, file, partial, options)
      if (partial.hash.digest('hex') === file.etag) {
        await handle.sync()
        return
      }
      await handle.truncate(0)
      options.onBytes(-file.size_bytes)
      if (attempt === 0)
        warn(
          `${listing.name}: ${file.path} had other bytes than its checksum says, and is fetched anew.`,
        )
    }
  } catch (error) {
    throw await explainFileError(error, 'write', path, `${file.size_bytes} bytes`)
  } finally {
    await handle.close()
  }
  await rm(path, { force: true })
  throw new HubError(
    'damaged',
    `${listing.name}: ${file.path} arrived with other bytes than its checksum ${file.etag} says, twice. Nothing of it was kept. Something between here and ${settings.endpoint} changes the bytes (a proxy, a mirror), or the repository is damaged.`,
  )
}

/** What is on disk of a file, and the hash of it so far. */
type Partial = { readonly handle: FileHandle; n_bytes: number; hash: Hash }

async function openPartial(handle: FileHandle, file: HubFile): Promise<Partial> {
  const { size } = await handle.stat()
  if (size > file.size_bytes) {
    await handle.truncate(0)
    return { handle, n_bytes: 0, hash: openHash(file) }
  }
  const hash = openHash(file)
  const buffer = new Uint8Array(1 << 20)
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - at), at)
    if (bytesRead === 0) break
    hash.update(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
  return { handle, n_bytes: size, hash }
}

/** sha256 of the bytes, or git's sha1 of a blob: of `blob <size>\0` and the bytes. */
function openHash({ etag, size_bytes }: HubFile): Hash {
  return etag.length === 64
    ? createHash('sha256')
    : createHash('sha1').update(`blob ${size_bytes}\0`)
}

/** Reads until all bytes are there; gives up after failures in a row that brought nothing new. */
async function fetchRest(
  settings: HubSettings,
  listing: Listing,
  file: HubFile,
  partial: Partial,
  options: DownloadOptions,
): Promise<void> {
  let version: string | undefined // the storage's own name of these bytes, while this process asks for them
  let failures = 0
  while (partial.n_bytes < file.size_bytes) {
    const before = partial.n_bytes
    try {
      version = await fetchPiece(settings, listing, file, partial, version, options)
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!(error instanceof CutError)) throw error
      if (partial.n_bytes > before) failures = 0
      if (failures++ >= settings.n_retries)
        throw explainConnection(error.cause, {
          name: listing.name,
          file: `${file.path} (${partial.n_bytes} of ${file.size_bytes} bytes are kept)`,
          endpoint: settings.endpoint,
          hasToken: settings.token !== undefined,
        })
      await setTimeout(settings.retry_ms * 2 ** (failures - 1), undefined, {
        signal: options.signal,
      })
    }
  }
}

/** The connection ended before the file did. */
class CutError extends Error {}

/** One request for the bytes that are missing. @returns the strong etag of what answered. */
async function fetchPiece(
  settings: HubSettings,
  { type, name, commit }: Listing,
  file: HubFile,
  partial: Partial,
  version: string | undefined,
  { signal, onBytes }: DownloadOptions,
): Promise<string | undefined> {
  const from = partial.n_bytes
  const cut = new AbortController()
  const { response, first } = await request(settings, fileUrl(settings, type, name, commit, file), {
    name,
    file: file.path,
    type,
    headers: {
      'accept-encoding': 'identity',
      ...(from === 0 ? {} : { range: `bytes=${from}-` }),
      ...(from === 0 || version === undefined ? {} : { 'if-range': version }),
    },
    signal: signal === undefined ? cut.signal : AbortSignal.any([signal, cut.signal]),
    accept: [416],
  })
  const linked = first.get('x-linked-etag')?.replace(/^(W\/)?"(.*)"$/, '$2')
  if (linked !== undefined && linked !== file.etag) {
    await response.body?.cancel()
    throw new HubError(
      'refused',
      `${name}: ${file.path} has the checksum ${linked} now, and the listing said ${file.etag}. Run it again.`,
    )
  }
  const starts = response.status === 206 ? rangeStart(response.headers, file.size_bytes) : 0
  if (starts !== from) {
    // Answered in full, or with another file: what is here cannot be continued.
    onBytes(-from)
    partial.n_bytes = 0
    partial.hash = openHash(file)
    await partial.handle.truncate(0)
    if (starts !== 0 || response.status === 416) {
      await response.body?.cancel()
      return undefined
    }
  }
  await readBody(response, file, partial, { silence_ms: settings.silence_ms, cut, onBytes })
  return response.headers.get('etag')?.match(/^"[^"]*"$/)?.[0]
}

async function readBody(
  response: Response,
  file: HubFile,
  partial: Partial,
  how: { silence_ms: number; cut: AbortController; onBytes: (n_bytes: number) => void },
): Promise<void> {
  const { silence_ms, cut, onBytes } = how
  const reader = (response.body ?? new ReadableStream()).getReader()
  let timer: ReturnType<typeof globalThis.setTimeout> | undefined
  const listen = () => {
    clearTimeout(timer)
    const silence = () => cut.abort(new Error(`silent for ${silence_ms / 1000} s`))
    timer = globalThis.setTimeout(silence, silence_ms)
  }
  try {
    for (;;) {
      listen()
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new CutError('', { cause })
      })
      if (done) break
      const bytes = value.subarray(0, file.size_bytes - partial.n_bytes)
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await partial.handle.write(
          bytes,
          at,
          bytes.length - at,
          partial.n_bytes,
        )
        partial.hash.update(bytes.subarray(at, at + bytesWritten))
        at += bytesWritten
        partial.n_bytes += bytesWritten
        onBytes(bytesWritten)
      }
      if (partial.n_bytes === file.size_bytes) break
    }
  } finally {
    clearTimeout(timer)
    await reader.cancel().catch(() => undefined) // it is at its end or broken
  }
  if (partial.n_bytes < file.size_bytes)
    throw new CutError('', {
      cause: new Error(`the answer ended at byte ${partial.n_bytes} of ${file.size_bytes}`),
    })
}

/** Where a partial answer begins, if it is of a file of this size; -1 otherwise. */
function rangeStart(headers: Headers, size_bytes: number): number {
  const [, start, total] =
    /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? []
  return total === '*' || Number(total) === size_bytes ? Number(start ?? -1) : -1
}

/** Where a file's bytes are asked for; the Hub answers itself or redirects to its storage. */
export function fileUrl(
  { endpoint }: HubSettings,
  type: Listing['type'],
  name: string,
  commit: string,
  { path }: Pick<HubFile, 'path'>,
): string {
  const prefix = type === 'dataset' ? 'datasets/' : ''
  const encoded = path.split('/').map(encodeURIComponent).join('/')
  return `${endpoint}/${prefix}${name}/resolve/${encodeURIComponent(commit)}/${encoded}`
}

/** Waits while an incomplete file that is not ours grows: another program (Python's hub library) is fetching it. */
async function untilSilent(path: string, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    const touched_ms = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    )
    const silent_ms = Date.now() - touched_ms
    if (silent_ms >= FOREIGN_SILENT_MS) return
    await setTimeout(Math.min(FOREIGN_SILENT_MS - silent_ms + 10, 1000), undefined, { signal })
  }
}

async function makeFolderOf(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true }).catch(async (error: unknown) => {
    throw await explainFileError(error, 'write', path)
  })
}
