/** Files up to a repository of the Hub: one commit of what is new there; large files by LFS or Xet, whichever the Hub asks for. */
import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { openFile } from '../files/index.ts'
import type { ByteSource } from '../formats/index.ts'
import { HubError } from './errors.ts'
import { type HubFile, listRepository } from './listing.ts'
import { fetchAs } from './request.ts'
import { type HubSettings, hubSettings } from './settings.ts'

/** A file to publish: one on disk, or text. */
export type PushFile = {
  /** In the repository, with slashes. */
  readonly path: string
} & ({ readonly from: string } | { readonly text: string })

/** How far it has come. */
export type PushProgress = {
  readonly doing: 'comparing' | 'hashing' | 'sending'
  readonly n_bytes: number
  readonly of_bytes: number
}

export type PushOptions = {
  /** `owner/name` */
  readonly name: string
  readonly files: readonly PushFile[]
  /** The commit's first line. */
  readonly title: string
  /** Of a repository that has to be made. */
  readonly isPrivate?: boolean
  readonly settings?: HubSettings
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: PushProgress) => void) | undefined
}

/** What a push would send. */
export type PushPlan = {
  readonly isNew: boolean
  readonly files: readonly (PushFile & { readonly size_bytes: number; readonly isThere: boolean })[]
}

/**
 * Compares files with what the repository holds, by checksum; nothing is sent.
 * @throws HubError as requests do; FileError if a file cannot be read.
 */
export async function planPush(options: PushOptions): Promise<PushPlan> {
  const { name, settings = hubSettings(), signal, onProgress } = options
  const there = await filesThere(settings, name, signal)
  const sources = await Promise.all(options.files.map(sizedOf))
  const of_bytes = sources.reduce((n, { size_bytes }) => n + size_bytes, 0)
  let n_bytes = 0
  const files: PushPlan['files'][number][] = []
  for (const file of sources) {
    signal?.throwIfAborted()
    const other = there?.get(file.path)
    const isThere =
      other?.size_bytes === file.size_bytes && other.etag === (await checksum(file, other.etag))
    files.push({ ...file, isThere })
    n_bytes += file.size_bytes
    onProgress?.({ doing: 'comparing', n_bytes, of_bytes })
  }
  return { isNew: there === undefined, files }
}

/**
 * Publishes files: makes the repository where there is none, and commits those that it does not hold yet. What a push that broke
 * off had sent of large files is not sent again.
 * @returns the commit, `undefined` where all was there.
 * @throws HubError as requests do, reason `unauthorized` without a token; FileError if a file cannot be read.
 */
export async function pushFiles(options: PushOptions): Promise<{ commit: string | undefined }> {
  const { name, title, isPrivate, settings = hubSettings(), signal, onProgress } = options
  if (settings.token === undefined)
    throw new HubError(
      'unauthorized',
      `${name}: publishing needs a token that may write. Make one at ${settings.endpoint}/settings/tokens and set HF_TOKEN to it.`,
    )
  const { commitIter, createRepo } = await import('@huggingface/hub')
  const { isNew, files } = await planPush(options)
  const repository = {
    repo: { type: 'model', name },
    hubUrl: settings.endpoint,
    fetch: fetchAs(settings, { name, type: 'model', signal }),
    accessToken: 'hf_', // required in this form; every request of ours carries the real one
  } as const
  if (isNew)
    await createRepo({ ...repository, visibility: isPrivate === true ? 'private' : 'public' })
  const wanted = files.filter(({ isThere }) => !isThere)
  if (wanted.length === 0) return { commit: undefined }

  const sizes = new Map(wanted.map(({ path, size_bytes }) => [path, size_bytes]))
  const of_bytes = wanted.reduce((n, { size_bytes }) => n + size_bytes, 0)
  const done = { hashing: new Map<string, number>(), sending: new Map<string, number>() }
  const commits = commitIter({
    ...repository,
    title,
    operations: wanted.map((file) => ({
      operation: 'addOrUpdate',
      path: file.path,
      content: 'from' in file ? pathToFileURL(file.from) : new Blob([file.text]),
    })),
    ...(signal === undefined ? {} : { abortSignal: signal }),
  })
  for (;;) {
    const { done: isDone, value } = await commits.next()
    signal?.throwIfAborted()
    if (isDone) return { commit: value?.commit.oid }
    if (value.event !== 'fileProgress' || value.state === 'error') continue
    const doing = value.state === 'hashing' ? 'hashing' : 'sending'
    done[doing].set(value.path, (sizes.get(value.path) ?? 0) * value.progress)
    const n_bytes = [...done[doing].values()].reduce((n, bytes) => n + bytes, 0)
    onProgress?.({ doing, n_bytes, of_bytes })
  }
}

/** `undefined` where the repository is not there yet, or not seen. */
async function filesThere(
  settings: HubSettings,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, HubFile> | undefined> {
  try {
    const asked = { type: 'model', name, ...(signal === undefined ? {} : { signal }) } as const
    const { files } = await listRepository(settings, asked)
    return new Map(files.map((file) => [file.path, file]))
  } catch (error) {
    if (error instanceof HubError && error.reason === 'no-repository') return undefined
    throw error
  }
}

async function sizedOf(file: PushFile): Promise<PushFile & { size_bytes: number }> {
  if ('text' in file) return { ...file, size_bytes: Buffer.byteLength(file.text) }
  const source = await openFile(file.from)
  await source.close()
  return { ...file, size_bytes: source.size_bytes }
}

/** In the kind of `etag`: sha256 of the bytes, or git's sha1. */
async function checksum(
  file: PushFile & { readonly size_bytes: number },
  etag: string,
): Promise<string> {
  const hash =
    etag.length === 64
      ? createHash('sha256')
      : createHash('sha1').update(`blob ${file.size_bytes}\0`)
  if ('text' in file) return hash.update(file.text).digest('hex')
  const source = await openFile(file.from)
  try {
    for await (const block of blocksOf(source)) hash.update(block)
  } finally {
    await source.close()
  }
  return hash.digest('hex')
}

async function* blocksOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  const step = 1 << 22
  for (let at = 0; at < source.size_bytes; at += step)
    yield await source.read(at, Math.min(step, source.size_bytes - at))
}
