/** SAEs and suites on disk. With dialects/disk.ts the only files of this folder that touch files. */

import { join } from 'node:path'
import {
  listFolder,
  openFile,
  pathExists,
  readJson,
  writeFileAtomic,
  writeJson,
} from '../files/index.ts'
import { FormatError, parseSafetensors, streamSafetensors, writeNpz } from '../formats/index.ts'
import { checkShapes, parseHookName } from './check.ts'
import { GEMMA_SCOPE_FILE, gemmaScopeFolder, gemmaScopeTensors } from './gemmaScope.ts'
import { parseSaelens, saelensTensors } from './saelens.ts'
import {
  parseSaelensConfig,
  SAELENS_FILES,
  type SaelensConfig,
  saelensConfig,
} from './saelensConfig.ts'
import { type Metrics, type SaeEntry, type SuiteManifest, widthName } from './suite.ts'
import type { Sae } from './types.ts'

export {
  type FetchedSae,
  fetchPublishedSae,
  loadPublishedSae,
  openPublishedSae,
} from './dialects/disk.ts'

const MANIFEST = 'suite.json'
const METRICS = 'metrics.json'

/**
 * Loads an SAE from a folder in SAELens's layout.
 * @throws FileError if a file is missing, FormatError or RangeError as `parseSaelens`.
 */
export async function loadSae(folder: string): Promise<Sae> {
  const config = await readJson(join(folder, SAELENS_FILES.config))
  const file = await openFile(join(folder, SAELENS_FILES.weights))
  try {
    return await parseSaelens(config, await parseSafetensors(file), folder)
  } finally {
    await file.close()
  }
}

/**
 * What an SAE's cfg.json says, without its weights.
 * @throws FileError if it is missing, FormatError or TypeError as `parseSaelens`.
 */
export async function readSaeConfig(folder: string): Promise<SaelensConfig> {
  return parseSaelensConfig(await readJson(join(folder, SAELENS_FILES.config)), folder)
}

/**
 * Saves an SAE into a folder in SAELens's layout, each file atomically, the configuration last.
 * @throws RangeError if arrays and sizes disagree or a number is not finite, FileError if the disk refuses.
 */
export async function saveSae(folder: string, sae: Sae): Promise<void> {
  checkShapes(sae, folder)
  const tensors = saelensTensors(sae).map(([name, { dtype, shape, bytes }]) => ({
    name,
    dtype,
    shape,
    chunks: () => [bytes],
  }))
  await writeFileAtomic(
    join(folder, SAELENS_FILES.weights),
    streamSafetensors(tensors, { format: 'pt' }),
  )
  await writeJson(join(folder, SAELENS_FILES.config), saelensConfig(sae))
}

/**
 * Saves an SAE as params.npz in Gemma Scope's layout (see `gemmaScopeFolder`).
 * @returns the path of the params.npz.
 * @throws TypeError for an architecture or a site that the layout does not have, RangeError and FileError as `saveSae`.
 */
export async function saveGemmaScope(root: string, sae: Sae, average_l0: number): Promise<string> {
  const path = join(gemmaScopeFolder(root, sae, average_l0), GEMMA_SCOPE_FILE)
  checkShapes(sae, path)
  await writeFileAtomic(path, writeNpz(gemmaScopeTensors(sae)))
  return path
}

/**
 * The trained SAEs of a suite, by hook in natural order (layer 2 before 10), then width, then L0; empty where there is none.
 * @throws FormatError if a folder's cfg.json contradicts the folder's name.
 */
export async function listSuite(suite: string): Promise<SaeEntry[]> {
  const entries: SaeEntry[] = []
  for (const hook of (await listFolder(suite)).folders) {
    for (const width of (await listFolder(join(suite, hook))).folders) {
      if (!width.startsWith('width_')) continue
      for (const l0 of (await listFolder(join(suite, hook, width))).folders) {
        const path = join(suite, hook, width, l0)
        if (!l0.startsWith('l0_') || !(await pathExists(join(path, SAELENS_FILES.config)))) continue
        entries.push(await readEntry(path, hook, width, l0))
      }
    }
  }
  return entries.sort(
    (a, b) =>
      a.hook.localeCompare(b.hook, 'en', { numeric: true }) || a.d_sae - b.d_sae || a.l0 - b.l0,
  )
}

/**
 * Reads suite.json.
 * @throws FileError if there is none, FormatError if it lacks a field.
 */
export async function readSuiteManifest(suite: string): Promise<SuiteManifest> {
  const path = join(suite, MANIFEST)
  const value = (await readJson(path)) as Partial<SuiteManifest> | null
  for (const key of ['name', 'model', 'data_hash', 'config', 'version', 'created'] as const) {
    if (value?.[key] === undefined)
      throw new FormatError(path, `has no "${key}". Is it a suite that Hooke made?`)
  }
  return value as SuiteManifest
}

/**
 * Writes suite.json.
 * @throws FileError if the disk refuses.
 */
export async function writeSuiteManifest(suite: string, manifest: SuiteManifest): Promise<void> {
  await writeJson(join(suite, MANIFEST), manifest)
}

/**
 * Reads an SAE's metrics.json, `undefined` where it has not been evaluated.
 * @throws FormatError if it is not what `writeMetrics` writes.
 */
export async function readMetrics(folder: string): Promise<Metrics | undefined> {
  const path = join(folder, METRICS)
  if (!(await pathExists(path))) return undefined
  const value = (await readJson(path)) as Partial<Metrics> | null
  if (typeof value?.n_tokens !== 'number' || typeof value.l0 !== 'number') {
    throw new FormatError(path, 'lacks n_tokens or l0. Delete it and evaluate the SAE again.')
  }
  return value as Metrics
}

/**
 * Writes metrics.json beside an SAE.
 * @throws FileError if the disk refuses.
 */
export async function writeMetrics(folder: string, metrics: Metrics): Promise<void> {
  await writeJson(join(folder, METRICS), metrics)
}

async function readEntry(path: string, hook: string, width: string, l0: string): Promise<SaeEntry> {
  const file = join(path, SAELENS_FILES.config)
  const config = (await readJson(file)) as {
    d_in?: unknown
    d_sae?: unknown
    d_out?: unknown
    metadata?: { hook_name?: unknown; hook_name_out?: unknown }
  } | null
  const fail = (message: string) => new FormatError(file, message)
  const { d_in, d_sae, d_out, metadata } = config ?? {}
  if (typeof d_in !== 'number' || typeof d_sae !== 'number') throw fail('lacks d_in or d_sae.')
  if (metadata?.hook_name !== hook) {
    throw fail(`names ${metadata?.hook_name}, but lies in the folder of ${hook}. Was it moved?`)
  }
  if (width !== `width_${widthName(d_sae)}`) {
    throw fail(`has d_sae ${d_sae} (${widthName(d_sae)}), but lies in ${width}. Was it moved?`)
  }
  const target = Number(l0.slice('l0_'.length))
  if (!Number.isFinite(target)) throw fail(`lies in ${l0}, expected l0_ and a number.`)
  return {
    hook: parseHookName(hook, file),
    ...(d_out === undefined
      ? {}
      : { hook_out: parseHookName(metadata.hook_name_out, file, 'hook_name_out') }),
    d_in,
    d_sae,
    l0: target,
    path,
  }
}
