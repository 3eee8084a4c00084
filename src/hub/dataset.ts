/**
 * Data sets on the Hub, read as they lie there: nothing is fetched but the ranges that are asked for. What is in the cache
 * already is read from there.
 */
import { join, resolve } from 'node:path'
import { openFile, pathExists } from '../files/index.ts'
import type { ByteSource } from '../formats/index.ts'
import { type HubAddress, parseHubAddress, renderHubAddress } from './address.ts'
import { blobPath, listSnapshot, repoCache, sizeOf, snapshotPath } from './cache.ts'
import { HubError } from './errors.ts'
import { lookUp, notFetched, type PullOptions, warnIfUnreachable } from './pull.ts'
import { openRemote } from './remote.ts'
import { hubSettings } from './settings.ts'

/** A file of a data set. */
export type DataFile = {
  /** `hf://datasets/owner/name@<commit>/train.parquet`, or a path. */
  readonly name: string
  readonly open: () => Promise<ByteSource & { close(): Promise<void> }>
}

/** `owner/name[@revision][/path/inside][:split]` */
type DataAddress = HubAddress & { readonly split?: string }

/** Kinds of files that hold texts, the most specific first: where a data set holds several, only the first kind is read. */
const KINDS = [
  /\.parquet$/i,
  /\.jsonl(\.gz|\.zst)?$/i,
  /\.json(\.gz|\.zst)?$/i,
  /\.txt(\.gz|\.zst)?$/i,
]
/** They describe data sets and hold none. */
const DESCRIPTION = /(^|\/)(dataset_infos?|dataset_dict|state|config|croissant)\.json$/i

/** Whether a name asks for a data set on the Hub: nothing on disk has it, and it does not end like a file of one's own. */
export async function isHubData(name: string): Promise<boolean> {
  return parseDataAddress(name) !== undefined && !(await pathExists(resolve(name)))
}

/** What a text is remembered by: a name of the Hub as it is, a path as an absolute one. */
export async function lastingDataName(name: string): Promise<string> {
  return (await isHubData(name)) ? name : resolve(name)
}

/**
 * The files of a data set on the Hub that hold its texts, in the order of their paths. Of `:split` those whose path has that
 * word; without one those of `train` where there are such, else all.
 * @throws HubError if the Hub refuses, reason `no-file` if no file is of a kind that can be read.
 */
export async function listData(
  name: string,
  options: Pick<PullOptions, 'settings' | 'signal'> = {},
): Promise<DataFile[]> {
  const { settings = hubSettings(), signal } = options
  const { split, path, ...repository } = parseDataAddress(name)!
  const found = await lookUp({
    id: renderHubAddress(repository),
    type: 'dataset',
    ...(path === undefined ? {} : { include: [path, `${path}/**`] }),
    settings,
    signal,
  }).catch((cause: unknown) => {
    throw noSuchData(name, cause)
  })
  const cache = repoCache(settings.cache, 'dataset', found.name)
  if (found.commit === undefined) throw notFetched(found, settings)
  const { listing, commit } = found
  const paths = listing?.files.map((file) => file.path) ?? (await listSnapshot(cache, commit))
  const chosen = choose(paths, path, split)
  if (chosen.length === 0) throw noData(name, paths, path, split)
  warnIfUnreachable(found)
  return chosen.map((inner) => {
    const called = `hf://datasets/${found.name}@${commit}/${inner}`
    const file = listing?.files.find((one) => one.path === inner)
    return {
      name: called,
      async open() {
        if (listing === undefined || file === undefined)
          return openFile(join(snapshotPath(cache, commit), inner))
        const blob = blobPath(cache, file.etag)
        if ((await sizeOf(blob)) === file.size_bytes) return openFile(blob)
        return openRemote(settings, listing, file, { name: called, signal })
      },
    }
  })
}

/** @returns `undefined` for what cannot be on the Hub: `data/text.jsonl` is a path that is not there. */
function parseDataAddress(name: string): DataAddress | undefined {
  const [, text = '', split] = /^(.*?)(?::([\w.-]+))?$/.exec(name) ?? []
  const address = parseHubAddress(text)
  if (address === undefined) return undefined
  if (address.path === undefined && KINDS.some((kind) => kind.test(address.name))) return undefined
  return { ...address, ...(split === undefined ? {} : { split }) }
}

function choose(
  paths: readonly string[],
  under: string | undefined,
  split: string | undefined,
): string[] {
  const inside = paths.filter(
    (path) =>
      !DESCRIPTION.test(path) &&
      (under === undefined || path === under || path.startsWith(`${under}/`)),
  )
  const ofSplit = (word: string) => inside.filter((path) => hasWord(path, word))
  const train = ofSplit('train')
  const pool = split === undefined ? (train.length > 0 ? train : inside) : ofSplit(split)
  const kind = KINDS.find((one) => pool.some((path) => one.test(path)))
  return kind === undefined ? [] : pool.filter((path) => kind.test(path)).sort()
}

/** `train` is in `data/train-00000-of-00002.parquet` and not in `data/training.parquet`. */
const hasWord = (path: string, word: string): boolean =>
  new RegExp(`(^|[^a-z0-9])${RegExp.escape(word)}($|[^a-z0-9])`, 'i').test(path)

/** A path that was mistyped looks like a repository. */
function noSuchData(name: string, cause: unknown): unknown {
  if (!(cause instanceof HubError) || cause.reason !== 'no-repository') return cause
  return new HubError(
    cause.reason,
    `"${name}": there is no file ${resolve(name)}, and the Hub has no such data set either.`,
    { cause },
  )
}

function noData(
  name: string,
  paths: readonly string[],
  under: string | undefined,
  split: string | undefined,
): HubError {
  const where = under === undefined ? '' : ` below ${under}`
  const what = split === undefined ? '' : ` of the split "${split}"`
  const shown = paths.slice(0, 6).join(', ') + (paths.length > 6 ? ', …' : '')
  return new HubError(
    'no-file',
    `${name}: holds no .parquet, .jsonl, .json or .txt (plain, .gz or .zst)${what}${where}. It holds ${shown || 'no files'}. Name a path (owner/name/path) or a split (owner/name:train); many data sets have Parquet at owner/name@refs/convert/parquet.`,
  )
}
