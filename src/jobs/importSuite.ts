/**
 * Opening a folder is the import: what a suite's files say becomes rows, again and again with the same result.
 * Files are read only where they have changed since the last time; labels by hand are never touched. A damaged file costs
 * its own SAE what it says, and no other.
 */
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { FileError } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import { LATENTS_FILE, openLatents } from '../latents/disk.ts'
import { N_LOGITS, N_TOP_TOKENS } from '../latents/index.ts'
import { listSuite, readMetrics } from '../sae/disk.ts'
import { type Metrics, saeFolder, widthName } from '../sae/index.ts'
import {
  addLabels,
  type Database,
  type DensityHistogram,
  type LabelEntry,
  type LatentEntry,
  putLatents,
  refreshStatistics,
  type SaeId,
  type SaeMetrics,
  type SaeState,
  setSaeMetrics,
  setSaeState,
  suiteInfo,
  upsertSae,
  upsertSuite,
} from '../store/index.ts'
import type { SaeSpec, TrainFailure } from '../train/index.ts'
import { readFailure } from './failure.ts'
import { LABELS_FILE, readLabelsFile } from './labelsFile.ts'
import { openPieces } from './pieces.ts'
import { readSuiteFile } from './suiteFile.ts'

/** What is kept of a suite's origin beside its rows. */
export type SuiteInfo = {
  /** Absolute path. */
  readonly folder: string
  /** Bundled name or folder of the model; absent where the suite does not say. */
  readonly model?: string
  readonly sample_text?: string
  /** By SAE: the state of the files that its rows were made from. */
  readonly imported: Readonly<Record<SaeId, { latents?: string; labels?: string }>>
}

/** `<suite>~<hook>~width_<W>~l0_<K>`: how an SAE is named in the database and in addresses. */
export const saeId = (
  suite: string,
  { hook, d_sae, l0 }: Omit<SaeSpec, 'hook'> & { hook: string },
): SaeId => `${suite}~${hook}~width_${widthName(d_sae)}~l0_${l0}`

/**
 * Brings the rows of a suite to what lies in its folder.
 * @param options.training true while its SAEs are being trained: those that are not there yet are shown so.
 * @returns what could not be read of single SAEs, each naming its file; all else is imported.
 * @throws FormatError if suite.json or a cfg.json is not what it should be; RangeError if the folder's name cannot name a suite.
 */
export async function importSuite(
  db: Database,
  suite_folder: string,
  options: { training?: boolean } = {},
): Promise<readonly Error[]> {
  const suite = basename(suite_folder)
  if (/[~/\\]/.test(suite))
    throw new RangeError(`${suite_folder}: a suite's folder may not have ~ in its name; rename it`)
  const file = await readSuiteFile(suite_folder)
  const found = await listSuite(suite_folder)
  const before = (await suiteInfo(db, suite)) as Partial<SuiteInfo> | undefined
  const imported: Record<SaeId, { latents?: string; labels?: string }> = { ...before?.imported }
  let isChanged = false
  const remember = (): Promise<void> =>
    upsertSuite(db, suite, {
      folder: suite_folder,
      ...(file ? { model: file.model.path } : {}),
      ...(file?.sample_text === undefined ? {} : { sample_text: file.sample_text }),
      imported,
    } satisfies SuiteInfo)
  await remember()

  const planned = (file?.saes ?? []).map((spec) => ({
    ...spec,
    path: saeFolder(suite_folder, spec.hook, spec.d_sae, spec.l0),
  }))
  const entries = new Map([...planned, ...found].map((entry) => [saeId(suite, entry), entry]))
  const trained = new Set(found.map((entry) => saeId(suite, entry)))
  const damaged: Error[] = []
  let pieces: Promise<(id: number) => string> | undefined
  for (const [id, { hook, d_in, d_sae, l0, path }] of entries) {
    const layer = /^blocks\.(\d+)\./.exec(hook)?.[1]
    await upsertSae(db, {
      id,
      suite,
      hook,
      ...(layer === undefined ? {} : { layer: Number(layer) }),
      d_in,
      d_sae,
      l0_target: l0,
    })
    let state: SaeState = options.training ? 'training' : 'waiting'
    let failed: TrainFailure | undefined
    try {
      if (!trained.has(id)) {
        failed = await readFailure(path)
        if (failed) state = 'failed'
      } else {
        state = 'trained'
        await importMetrics(db, id, path)
        const latents = await stateOf(join(path, LATENTS_FILE))
        if (latents !== undefined && latents !== imported[id]?.latents) {
          pieces ??= openPieces(suite_folder)
          await putLatents(db, id, latentEntries(path, await pieces))
          imported[id] = { ...imported[id], latents }
          isChanged = true
          await remember()
        }
        if (latents !== undefined) state = 'indexed'
        const labels = await stateOf(join(path, LABELS_FILE))
        if (labels !== undefined && state === 'indexed') {
          if (labels !== imported[id]?.labels) {
            await addLabels(db, labelEntries(path, id))
            imported[id] = { ...imported[id], labels }
            isChanged = true
            await remember()
          }
          state = 'labelled'
        }
      }
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof FileError)) throw error
      damaged.push(error)
    }
    await setSaeState(db, id, state, failed)
  }
  if (isChanged) await refreshStatistics(db)
  return damaged
}

async function importMetrics(db: Database, id: SaeId, folder: string): Promise<void> {
  const metrics = await readMetrics(folder)
  // Without an FVU (activations all equal) there is nothing to show that would not mislead.
  if (metrics?.fvu !== undefined)
    await setSaeMetrics(db, id, { ...shownOf(metrics), fvu: metrics.fvu }, histogramOf(metrics))
}

function shownOf(metrics: Metrics): Omit<SaeMetrics, 'fvu'> {
  const { n_tokens, l0, ce_loss, delta_ce_loss, kl, ce_loss_recovered, l2_ratio } = metrics
  const { relative_reconstruction_bias, uniformity, dead, dead_window_tokens } = metrics
  return {
    n_tokens,
    l0,
    ce_loss,
    delta_ce_loss,
    kl,
    ce_loss_recovered,
    l2_ratio,
    relative_reconstruction_bias,
    uniformity,
    dead,
    dead_window_tokens,
  }
}

function histogramOf({ density_histogram: { edges, counts } }: Metrics): DensityHistogram {
  return { edges: [...edges], counts: [...counts] }
}

/** Size and time of a file, as a token that changes when it is written again; undefined where there is none. */
async function stateOf(path: string): Promise<string | undefined> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return info && `${info.size}-${info.mtimeMs}`
}

/** What lists and search need of each latent of an SAE. */
async function* latentEntries(
  folder: string,
  pieceOf: (id: number) => string,
): AsyncGenerator<LatentEntry> {
  const latents = await openLatents(folder)
  try {
    const { n_tokens, d_sae } = latents
    const n_active = await latents.column('n_active')
    const max_act = await latents.column('max_act')
    const mean_act = await latents.column('mean_act')
    const token_id = await latents.column('top_token_id')
    const token_count = await latents.column('top_token_count')
    const logit_id = await latents.column('top_logit_id')
    for (let index = 0; index < d_sae; index++) {
      const top_tokens: string[] = []
      for (let i = index * N_TOP_TOKENS; i < (index + 1) * N_TOP_TOKENS; i++)
        for (let n = 0; token_id[i]! >= 0 && n < token_count[i]!; n++)
          top_tokens.push(pieceOf(token_id[i]!))
      const raised = [...logit_id.subarray(index * N_LOGITS, (index + 1) * N_LOGITS)]
      yield {
        index,
        density: n_tokens === 0 ? 0 : n_active[index]! / n_tokens,
        n_active: n_active[index]!,
        max_act: max_act[index]!,
        mean_act: mean_act[index]!,
        top_tokens,
        top_logits: raised.filter((id) => id >= 0).map(pieceOf),
      }
    }
  } finally {
    await latents.close()
  }
}

/** The automatic labels that lie beside an SAE. */
async function* labelEntries(folder: string, sae: SaeId): AsyncGenerator<LabelEntry> {
  const file = await readLabelsFile(folder)
  // The claim stays in the file, where scorers read it.
  for (const { confidence, claim: _, ...label } of file?.labels ?? [])
    yield {
      sae,
      ...label,
      method: file!.method,
      author: file!.author,
      ...(confidence === undefined
        ? {}
        : { score: confidence, score_method: 'share of its examples on which it holds' }),
    }
}
