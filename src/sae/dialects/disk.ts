/** Other people's SAEs on disk and on the Hub: found by name, fetched, recognised and read. */

import { basename, dirname, join, resolve } from 'node:path'
import { FileError, listFolder, openFile, pathExists, readJson } from '../../files/index.ts'
import { FormatError, type OpenedTensors, openTensors } from '../../formats/index.ts'
import {
  hubSettings,
  listRepository,
  type PullOptions,
  parseHubAddress,
  pullFiles,
  renderHubAddress,
} from '../../hub/index.ts'
import { type NamedSae, nearestL0, resolveRelease } from '../releases.ts'
import { openStreamed, type StreamedSae, type StreamOptions } from '../streamed.ts'
import { describeOnDisk } from './onDisk.ts'
import type { Dialect, PublishedSae, ReadSaeOptions, SaeFiles } from './published.ts'
import { READERS, recogniseDialect, WEIGHT_FILES } from './recognise.ts'

const SCALER = 'activation_scaler.json'

/** An SAE's files on this machine, and what its name said. */
export type FetchedSae = {
  /** Its folder, or the file of its weights. */
  readonly path: string
  /** What it is remembered by: the absolute path, or `owner/name@commit/folder` on the Hub. */
  readonly source: string
  /** What the table of releases says of a short name. */
  readonly release?: NamedSae
}

/**
 * Finds an SAE by a path on this machine, a short name of a release (`releases.ts`), or `owner/name[@revision]/folder` on the Hub
 * (the revision may stand at the end too). Only that SAE's weights and settings are fetched.
 * @throws FileError if it is none of these, RangeError if a release has no such SAE, HubError if the Hub refuses.
 */
export async function fetchPublishedSae(
  name: string,
  options: Pick<PullOptions, 'settings' | 'signal' | 'onProgress'> = {},
): Promise<FetchedSae> {
  const local = resolve(name)
  if (await pathExists(local)) return { path: local, source: local }
  const release = resolveRelease(name)
  if (release !== undefined) {
    const inside = await folderOf(release, options)
    return { ...(await fetchFolder(release.repository, inside, options)), release }
  }
  const [, before, revision] = /^([^@]+)@([^@/]+)$/.exec(name) ?? []
  const address = parseHubAddress(before ?? name)
  if (address === undefined) {
    throw new FileError(
      local,
      'ENOENT',
      `${local}: there is no such file or folder. Give a path, the name of a published SAE such as gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71, or owner/name/folder on the Hub.`,
    )
  }
  const { path: inside = '', ...repository } = address
  const id = renderHubAddress({ ...repository, ...(revision === undefined ? {} : { revision }) })
  return fetchFolder(id, inside, options)
}

/** Of a canonical SAE that the table does not have, the folder whose name has the nearest L0. */
async function folderOf(
  { folder, repository, nearest_l0 }: NamedSae,
  { settings = hubSettings(), signal }: Pick<PullOptions, 'settings' | 'signal'>,
): Promise<string> {
  if (nearest_l0 === undefined) return folder
  const { files } = await listRepository(settings, {
    type: 'model',
    name: repository,
    under: folder,
    ...(signal === undefined ? {} : { signal }),
  })
  const l0s = files.flatMap(({ path }) => {
    const [, l0] = /\/average_l0_(\d+)\/params\.npz$/.exec(path) ?? []
    return l0 === undefined ? [] : [Number(l0)]
  })
  const nearest = nearestL0(l0s, nearest_l0)
  if (nearest !== undefined) return `${folder}/average_l0_${nearest}`
  throw new FormatError(`${repository}/${folder}`, 'holds no average_l0_<n>/params.npz.')
}

/** @param inside an SAE's folder or its file of weights in the repository; empty for the repository itself. */
async function fetchFolder(
  id: string,
  inside: string,
  options: Pick<PullOptions, 'settings' | 'signal' | 'onProgress'>,
): Promise<FetchedSae> {
  const isFile = /\.(?:npz|safetensors|pt)$/.test(inside)
  const folder = isFile ? configFolder(inside) : inside
  const prefix = folder === '' || folder === '.' ? '' : `${folder}/`
  const configs = Object.values(READERS).flatMap(({ config }) => config ?? [])
  const wanted = [...(isFile ? [] : WEIGHT_FILES), ...new Set(configs), SCALER]
  const snapshot = await pullFiles({
    ...options,
    id,
    include: [...(isFile ? [inside] : []), ...wanted.map((file) => `${prefix}${file}`)],
  })
  const repository = id.replace(/@.*$/, '')
  const at = `${repository}@${basename(snapshot)}`
  return {
    path: join(snapshot, ...inside.split('/')),
    source: inside === '' ? at : `${at}/${inside}`,
  }
}

/**
 * Loads somebody's SAE: a folder, or the file of its weights, in any of the published dialects.
 * @throws FileError if it is missing, FormatError if it is in no dialect or not as its dialect says, TypeError if its site is
 *   unknown, RangeError for numbers that are not finite.
 */
export async function loadPublishedSae(
  path: string,
  options: ReadSaeOptions = {},
): Promise<PublishedSae> {
  const { weights, folder } = await findWeights(path)
  const file = await openFile(weights)
  try {
    const opened = await openTensors(file)
    const dialect = recogniseDialect(opened)
    return await READERS[dialect].read(await gather(path, folder, dialect, opened), options)
  } finally {
    await file.close()
  }
}

/**
 * Opens somebody's SAE without loading it, for dictionaries wider than memory: JumpReLU SAEs whose weights need no folding
 * (Gemma Scope 1 and 2, and SAELens's layout as Hooke writes it).
 * @throws as `loadPublishedSae`, and FormatError for an SAE that must be loaded whole.
 */
export async function openPublishedSae(
  path: string,
  { sites, ...options }: Pick<ReadSaeOptions, 'sites'> & StreamOptions = {},
): Promise<StreamedSae> {
  const { weights, folder } = await findWeights(path)
  const file = await openFile(weights)
  try {
    const opened = await openTensors(file)
    const dialect = recogniseDialect(opened)
    const files = await gather(path, folder, dialect, opened)
    const streamed = await openStreamed(await describeOnDisk(dialect, files, file, sites), options)
    return {
      ...streamed,
      async close() {
        await streamed.close()
        await file.close()
      },
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function gather(
  path: string,
  folder: string,
  dialect: Dialect,
  { file }: OpenedTensors,
): Promise<SaeFiles> {
  const { config } = READERS[dialect]
  const config_path = config === undefined ? undefined : join(folder, config)
  const value = config_path === undefined ? undefined : await readIfThere(config_path)
  const { scaling_factor } = Object(await readIfThere(join(folder, SCALER))) as {
    scaling_factor?: unknown
  }
  return {
    where: resolve(path),
    weights: file,
    ...(value === undefined ? {} : { config: { path: config_path!, value } }),
    ...(typeof scaling_factor === 'number' ? { scaling_factor } : {}),
  }
}

/** The file of weights that a path means, and the folder where its configuration lies. */
async function findWeights(path: string): Promise<{ weights: string; folder: string }> {
  if (!(await pathExists(`${path}/.`))) {
    return { weights: path, folder: configFolder(resolve(path)) }
  }
  const { files, folders } = await listFolder(path)
  const inside: string[] = []
  for (const name of WEIGHT_FILES) if (await pathExists(join(path, name))) inside.push(name)
  if (inside.length === 1) return { weights: join(path, inside[0]!), folder: path }
  const found = [...folders.map((name) => `${name}/`), ...files]
  if (files.some((name) => /^params_layer_\d+\.safetensors$/.test(name))) {
    throw new FormatError(
      path,
      'holds weights of one file a layer: a cross-layer transcoder, which reads and writes several layers at once, and which Hooke does not run.',
    )
  }
  throw new FormatError(
    path,
    `holds ${inside.length === 0 ? `none of ${WEIGHT_FILES.join(', ')}` : `both ${inside.join(' and ')}`} (it has ${found.slice(0, 8).join(', ')}${found.length > 8 ? ', …' : ''}). Name the folder of one SAE, or its file of weights.`,
  )
}

async function readIfThere(path: string): Promise<unknown> {
  return (await pathExists(path)) ? readJson(path) : undefined
}

/** Where the settings of a file of weights lie: beside it, or above where it lies among checkpoints. */
function configFolder(weights: string): string {
  const folder = dirname(weights)
  return basename(folder) === 'checkpoints' ? dirname(folder) : folder
}
