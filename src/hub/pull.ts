/** Repositories, or a part of one, into the cache that Python's huggingface_hub shares. */
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import picomatch from 'picomatch'
import { FileError } from '../files/index.ts'
import { parseHubAddress, type RepoType } from './address.ts'
import {
  blobPath,
  linkBlob,
  listSnapshot,
  readRef,
  repoCache,
  sizeOf,
  snapshotPath,
  writeRef,
} from './cache.ts'
import { downloadBlob } from './download.ts'
import { HubError, warn } from './errors.ts'
import { isCommit, type Listing, listRepository } from './listing.ts'
import { type HubSettings, hubSettings } from './settings.ts'

/** How far fetching has come. */
export type PullProgress = {
  readonly name: string
  /** Of all files together, what was there before included. */
  readonly n_bytes: number
  readonly of_bytes: number
  readonly n_files: number
  readonly of_files: number
  /** At the mean speed so far; absent at the start. */
  readonly remaining_ms?: number
}

export type PullOptions = {
  /** `owner/name` or `owner/name@revision`. */
  readonly id: string
  readonly type?: RepoType
  /** A branch, a tag or a commit, before that of `id`; `main` where both are absent. */
  readonly revision?: string
  /** Globs over paths in the repository (`layer_20/width_16k/**`); everything where absent. */
  readonly include?: readonly string[]
  readonly settings?: HubSettings
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
}

/** `fetching google/gemma-2-2b: 1.2 of 5.2 GB`; the name first, as it is the stage. */
export function renderPull({ name, n_bytes, of_bytes }: PullProgress): string {
  const [unit, size] = of_bytes < 1e6 ? ['kB', 1e3] : of_bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9]
  const digits = of_bytes / size < 10 ? 1 : 0
  const count = (bytes: number) => (bytes / size).toFixed(digits)
  return `fetching ${name}: ${count(n_bytes)} of ${count(of_bytes)} ${unit}`
}

/** Files fetched at a time. */
const N_PARALLEL = 4

/**
 * Fetches the files of a repository that are not in the cache yet. Where the Hub cannot be reached, or is not to be asked,
 * what is in the cache is taken as it is.
 * @returns the folder of the snapshot: `<cache>/models--owner--name/snapshots/<commit>`.
 * @throws HubError if the Hub refuses, reason `no-file` if no file matches; FileError if the disk does.
 */
export async function pullFiles(options: PullOptions): Promise<string> {
  const { settings = hubSettings(), include } = options
  const found = await lookUp(options)
  const { type, name, revision } = found
  const cache = repoCache(settings.cache, type, name)
  const matches = include === undefined ? () => true : picomatch([...include], { dot: true })
  if (found.listing === undefined) {
    const commit = found.commit
    const held = commit === undefined ? [] : await listSnapshot(cache, commit)
    if (commit !== undefined && held.some((path) => matches(path))) {
      warnIfUnreachable(found)
      return snapshotPath(cache, commit)
    }
    throw notFetched(found, settings, include)
  }
  const wanted = found.listing.files.filter(({ path }) => matches(path))
  if (wanted.length === 0)
    throw new HubError(
      'no-file',
      `${name}: no file matches ${(include ?? ['*']).join(' ')} at ${revision}. ${summaryOf(found.listing)}`,
    )
  return pullListed(settings, { ...found.listing, files: wanted }, options)
}

/** What is known of a repository: its listing, or only the commit that the cache last saw. */
export type Found = {
  readonly type: RepoType
  readonly name: string
  readonly revision: string
  readonly commit: string | undefined
  readonly listing?: Listing
  /** Where there is no listing: why the Hub was not asked or did not answer. */
  readonly cause?: HubError
}

/**
 * Asks the Hub what a repository holds, or the cache where the Hub cannot be asked.
 * @throws HubError if the Hub answers and refuses; TypeError for what is no id.
 */
export async function lookUp(
  options: Pick<PullOptions, 'id' | 'type' | 'revision' | 'include' | 'settings' | 'signal'>,
): Promise<Found> {
  const { id, type = 'model', include, settings = hubSettings(), signal } = options
  const address = parseHubAddress(id)
  if (address === undefined || address.path !== undefined)
    throw new TypeError(`"${id}" is no repository, expected owner/name or owner/name@revision.`)
  const { name } = address
  const revision = options.revision ?? address.revision ?? 'main'
  const under = commonFolder(include)
  try {
    const listing = await listRepository(settings, {
      type,
      name,
      revision,
      ...(under === undefined ? {} : { under }),
      ...(signal === undefined ? {} : { signal }),
    })
    return { type, name, revision, listing, commit: listing.commit }
  } catch (cause) {
    if (!(cause instanceof HubError) || !['offline', 'network', 'server'].includes(cause.reason))
      throw cause
    const cache = repoCache(settings.cache, type, name)
    const commit = isCommit(revision) ? revision : await readRef(cache, revision)
    return { type, name, revision, commit, cause }
  }
}

/** Fetches all files of a listing and links them into its snapshot. @returns the snapshot's folder. */
export async function pullListed(
  settings: HubSettings,
  listing: Listing,
  { signal, onProgress }: Pick<PullOptions, 'signal' | 'onProgress'>,
): Promise<string> {
  const { type, name, revision, commit, files } = listing
  const cache = repoCache(settings.cache, type, name)
  const snapshot = snapshotPath(cache, commit)
  const held = await Promise.all(
    files.map(async ({ etag, size_bytes }) => (await sizeOf(blobPath(cache, etag))) === size_bytes),
  )
  const missing = files.filter((_, i) => !held[i])
  const sum = (some: readonly { size_bytes: number }[]) =>
    some.reduce((n, { size_bytes }) => n + size_bytes, 0)
  const of_bytes = sum(files)
  const there = of_bytes - sum(missing)
  const begun = await Promise.all(
    missing.map(async ({ etag }) => (await sizeOf(`${blobPath(cache, etag)}.incomplete`)) ?? 0),
  )
  await checkSpace(settings.cache, name, sum(missing) - begun.reduce((a, b) => a + b, 0))

  const started_ms = performance.now()
  let n_bytes = there
  let n_files = files.length - missing.length
  const report = () => {
    const share = (n_bytes - there) / (of_bytes - there)
    const elapsed_ms = performance.now() - started_ms
    onProgress?.({
      name,
      n_bytes,
      of_bytes,
      n_files,
      of_files: files.length,
      ...(share > 0 && share <= 1 ? { remaining_ms: elapsed_ms / share - elapsed_ms } : {}),
    })
  }
  if (missing.length > 0) report()
  const failed = new AbortController()
  const both = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal])
  const queue = [...missing]
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      await downloadBlob(settings, listing, file, cache, {
        signal: both,
        onBytes(n) {
          n_bytes += n
          report()
        },
      })
      n_files++
      report()
    }
  }
  const workers = Array.from({ length: Math.min(N_PARALLEL, missing.length) }, () =>
    work().catch((error: unknown) => failed.abort(error)),
  )
  // All have let go of their files before anyone hears of the first failure.
  await Promise.all(workers)
  signal?.throwIfAborted()
  failed.signal.throwIfAborted()
  for (const file of files) await linkBlob(cache, commit, file)
  if (!isCommit(revision)) await writeRef(cache, revision, commit)
  return snapshot
}

/** The folder that all globs lie in, so that only it needs listing. */
function commonFolder(include: readonly string[] | undefined): string | undefined {
  if (include === undefined || include.length === 0) return undefined
  const bases = include.map((glob) => {
    const { base, isGlob } = picomatch.scan(glob)
    return (isGlob ? base : base.split('/').slice(0, -1).join('/')).split('/')
  })
  const [first = [], ...rest] = bases
  const n = rest.reduce((most, parts) => {
    let same = 0
    while (same < most && parts[same] === first[same]) same++
    return same
  }, first.length)
  const folder = first.slice(0, n).join('/')
  return folder === '' || folder === '.' ? undefined : folder
}

/** What was taken from the cache may be old, where nobody asked for that. */
export function warnIfUnreachable({ name, commit, cause }: Found): void {
  if (cause !== undefined && cause.reason !== 'offline')
    warn(`${cause.message} Taken from the cache, as ${name} was at ${commit} when last fetched.`)
}

/** Nothing that would serve lies in the cache, and the Hub was not to be asked. */
export function notFetched(
  { type, name, revision, cause }: Found,
  { cache }: HubSettings,
  include?: readonly string[],
): HubError {
  const command = `hooke pull ${name}${revision === 'main' ? '' : `@${revision}`}${type === 'dataset' ? ' --type dataset' : ''}`
  return new HubError(
    cause?.reason ?? 'offline',
    `${name}: ${include === undefined ? `nothing of ${revision}` : `no file of ${revision} that matches ${include.join(' ')}`} lies in ${cache}. Run "${command}" where the Hub can be reached.`,
    { cause },
  )
}

/** The beginnings of what there is, for someone who asked for something else. */
function summaryOf({ files }: Listing): string {
  if (files.length === 0) return 'It holds no files.'
  const shown = files.slice(0, 5).map(({ path }) => path)
  const more = files.length > shown.length ? ` and ${files.length - shown.length} more` : ''
  return `There are ${shown.join(', ')}${more}.`
}

/** @throws FileError if the disk has less room than is needed, before anything is fetched. */
async function checkSpace(cache: string, name: string, needed_bytes: number): Promise<void> {
  const free = await statfs(await nearestFolder(cache)).catch(() => undefined)
  if (free === undefined || free.bavail * free.bsize >= needed_bytes) return
  throw new FileError(
    cache,
    'ENOSPC',
    `${cache}: disk full: ${name} needs ${needed_bytes} bytes more, the disk has ${free.bavail * free.bsize} free. Free some space, or set HF_HUB_CACHE to a folder on another disk.`,
  )
}

async function nearestFolder(path: string): Promise<string> {
  let folder = path
  while ((await sizeOf(folder)) === undefined && dirname(folder) !== folder)
    folder = dirname(folder)
  return folder
}
