/**
 * From the name a person types to the folder of a model. A bundled name goes first, then a folder on disk, then a repository on
 * the Hub: what is here never depends on what someone publishes.
 */
import { join, resolve } from 'node:path'
import { z } from 'zod'
import {
  bundledModels,
  FileError,
  localModel,
  openFolder,
  pathExists,
  readJson,
} from '../files/index.ts'
import { type Folder, FormatError } from '../formats/index.ts'
import { parseHubAddress, type RepoType, renderHubAddress } from './address.ts'
import { listSnapshot, repoCache, repositoryOf, snapshotPath } from './cache.ts'
import { HubError } from './errors.ts'
import type { HubFile, Listing } from './listing.ts'
import {
  type Found,
  lookUp,
  notFetched,
  type PullOptions,
  pullFiles,
  pullListed,
  warnIfUnreachable,
} from './pull.ts'
import { type HubSettings, hubSettings } from './settings.ts'

export type ResolveOptions = Pick<PullOptions, 'settings' | 'signal' | 'onProgress'>

/**
 * The absolute path of a model's folder: a bundled name, a folder, or a Hub id, whose files are fetched where they are not in
 * the cache. `./thimble-5m` is always a path.
 * @throws FileError if it is none of these, naming the bundled models and what a model folder holds; HubError if the Hub
 *   refuses or the repository holds no model.
 */
export async function resolveModel(name: string, options: ResolveOptions = {}): Promise<string> {
  const local = localModel(name)
  if (local !== undefined) return local
  const address = parseHubAddress(name)
  if (address === undefined || address.path !== undefined) throw notHere(name)
  try {
    return await pullModel({ id: name, ...options })
  } catch (cause) {
    if (!(cause instanceof HubError) || cause.reason !== 'no-repository') throw cause
    throw new HubError(
      cause.reason,
      `"${name}" is not a bundled model (${bundledModels().join(', ')}), there is no folder ${resolve(name)}, and the Hub has no such model either.`,
      { cause },
    )
  }
}

/**
 * What a model is remembered by, so that it opens from any working directory: a bundled name or a Hub id as it is, a path as an
 * absolute one.
 */
export function lastingModelName(name: string): string {
  if (bundledModels().includes(name)) return name
  if (localModel(name) === undefined && parseHubAddress(name) !== undefined) return name
  return resolve(name)
}

/** A model's folder for reading, by path or name; one in the Hub's cache is called by its repository. @throws as `resolveModel`. */
export async function openModelFolder(name: string, options: ResolveOptions = {}): Promise<Folder> {
  const path = await resolveModel(name, options)
  const folder = openFolder(path)
  return { ...folder, name: repositoryOf(path) ?? folder.name }
}

/**
 * The absolute path of a suite, an SAE's folder or a file: on this machine, or `owner/name[@revision][/path/inside]` on the Hub,
 * of which what lies at or below the path is fetched.
 * @throws FileError if it is neither; HubError if the Hub refuses.
 */
export async function resolvePath(
  name: string,
  options: ResolveOptions & { readonly type?: RepoType } = {},
): Promise<string> {
  const path = resolve(name)
  if (await pathExists(path)) return path
  const address = parseHubAddress(name)
  if (address === undefined)
    throw new FileError(
      path,
      'ENOENT',
      `${path}: there is no such file or folder. Check the path; relative paths start at ${process.cwd()}. From the Hub: owner/name/path/inside.`,
    )
  const { path: inside, ...repository } = address
  const snapshot = await pullFiles({
    ...options,
    id: renderHubAddress(repository),
    ...(inside === undefined ? {} : { include: [inside, `${inside}/**`] }),
  })
  return inside === undefined ? snapshot : join(snapshot, ...inside.split('/'))
}

const CONFIG = 'config.json'
const INDEX = 'model.safetensors.index.json'
const WEIGHTS = 'model.safetensors'
/** What a model is besides its weights. */
const DESCRIBES =
  /^(config|generation_config|tokenizer[^/]*|special_tokens_map|model\.safetensors\.index)\.json$|^chat_template\.(jinja|json)$/

/**
 * Fetches what a model needs: its settings, its tokenizer, and one set of weights.
 * @returns the snapshot's folder.
 * @throws HubError as `pullFiles`; reason `no-file` if the repository holds no model.
 */
export async function pullModel(options: Omit<PullOptions, 'type' | 'include'>): Promise<string> {
  const { settings = hubSettings() } = options
  const found = await lookUp({ ...options, settings })
  if (found.listing === undefined) return modelInCache(found, settings)
  const { listing } = found
  const small = listing.files.filter(({ path }) => DESCRIBES.test(path))
  if (!small.some(({ path }) => path === CONFIG)) throw noModel(listing, CONFIG)
  const snapshot = await pullListed(settings, { ...listing, files: small }, options)
  const weights = await weightFiles(listing, snapshot)
  return pullListed(settings, { ...listing, files: [...small, ...weights] }, options)
}

/** The shards that the index names, or the one file; other sets of weights beside them are not fetched. */
async function weightFiles(listing: Listing, snapshot: string): Promise<HubFile[]> {
  const has = (path: string) => listing.files.find((file) => file.path === path)
  if (has(INDEX) !== undefined)
    return (await readShards(snapshot)).map((path) => {
      const file = has(path)
      if (file !== undefined) return file
      throw noModel(listing, `${path}, which ${INDEX} names`)
    })
  const whole = has(WEIGHTS)
  if (whole !== undefined) return [whole]
  const any = listing.files.filter(({ path }) => /^[^/]+\.safetensors$/.test(path))
  if (any.length === 0) throw noModel(listing, '*.safetensors')
  return any
}

const Index = z.object({ weight_map: z.record(z.string(), z.string()) })

async function readShards(snapshot: string): Promise<string[]> {
  const path = join(snapshot, INDEX)
  const { data } = Index.safeParse(await readJson(path))
  if (data === undefined)
    throw new FormatError(path, 'has no weight_map from tensors to files. Fetch it again.')
  return [...new Set(Object.values(data.weight_map))].sort()
}

/** Without the Hub a snapshot must tell by itself whether it is whole. */
async function modelInCache(found: Found, settings: HubSettings): Promise<string> {
  const { type, name, commit } = found
  if (commit === undefined) throw notFetched(found, settings)
  const cache = repoCache(settings.cache, type, name)
  const snapshot = snapshotPath(cache, commit)
  const held = await listSnapshot(cache, commit)
  const weights = held.includes(INDEX)
    ? await readShards(snapshot)
    : held.filter((path) => /^[^/]+\.safetensors$/.test(path))
  for (const path of [CONFIG, ...weights])
    if (!(await pathExists(join(snapshot, path)))) throw notFetched(found, settings, [path])
  if (weights.length === 0) throw notFetched(found, settings, ['*.safetensors'])
  warnIfUnreachable(found)
  return snapshot
}

function noModel({ name, revision, files }: Listing, missing: string): HubError {
  const shown = files.slice(0, 6).map(({ path }) => path)
  const more = files.length > shown.length ? ', …' : ''
  return new HubError(
    'no-file',
    `${name}: has no ${missing} at ${revision}, so it is no model that can be opened. It holds ${shown.join(', ') || 'no files'}${more}. A model is config.json, *.safetensors and tokenizer.json; other revisions may hold them (${name}@REVISION). For the files as they are: hooke pull ${name} --include "**", or the paths that you need.`,
  )
}

function notHere(name: string): FileError {
  const path = resolve(name)
  return new FileError(
    path,
    'ENOENT',
    `"${name}" is not a bundled model (${bundledModels().join(', ')}), and there is no folder ${path}. ` +
      'Give a bundled name, a folder with config.json, *.safetensors and tokenizer.json as on Hugging Face, or a Hub id like google/gemma-2-2b.',
  )
}
