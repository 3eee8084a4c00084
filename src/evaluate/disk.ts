/** Self-tests on disk: claims beside an SAE, and self_test.json. The only file of this folder that touches files. */

import { basename, join } from 'node:path'
import { z } from 'zod'
import { packageVersion, pathExists, readJson, writeJson } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import type { HookName, Model } from '../model/index.ts'
import { loadSae, readMetrics } from '../sae/disk.ts'
import type { Sae } from '../sae/index.ts'
import {
  type SelfTestOptions,
  type SelfTestResult,
  type SelfTestSubject,
  selfTest,
} from './selfTest.ts'
import { BADGES } from './selfTestBadge.ts'

/** The file in an SAE's folder. */
const SELF_TEST_FILE = 'self_test.json'

/** A self-test as it is kept: with the version that made it. */
export type SelfTestFile = SelfTestResult & { readonly version: string }

/** Weights that are in memory together, so that SAEs share the model's plain pass: 1 GiB, one SAE at least. */
const TOGETHER_NUMBERS = 2 ** 28

/**
 * Tests the SAEs in folders of SAELens's layout and keeps each result beside its SAE, unless `keep` is false.
 * @returns results by folder, in their order, each as soon as it is there; `onProgress` counts folders, in fractions.
 * @throws as `selfTest` and `loadSae`.
 */
export async function* selfTestFolders(
  model: Model,
  folders: readonly string[],
  { keep = true, onProgress, ...options }: SelfTestOptions & { readonly keep?: boolean } = {},
): AsyncGenerator<{ folder: string; result: SelfTestFile }> {
  let waiting: { folder: string; subject: SelfTestSubject }[] = []
  let numbers = 0
  for (const [i, folder] of folders.entries()) {
    const sae = await loadSae(folder)
    waiting.push({ folder, subject: await subjectOf(folder, sae) })
    numbers += sae.W_enc.length + sae.W_dec.length
    if (numbers < TOGETHER_NUMBERS && i + 1 < folders.length) continue
    const n_before = i + 1 - waiting.length
    const n_together = waiting.length
    const results = await selfTest(
      model,
      waiting.map(({ subject }) => subject),
      {
        ...options,
        onProgress: ({ n_done, n_total }) =>
          onProgress?.({
            n_done: n_before + (n_together * n_done) / n_total,
            n_total: folders.length,
          }),
      },
    )
    for (const [at, found] of results.entries()) {
      const result = { ...found, version: packageVersion() }
      if (keep) await writeJson(join(waiting[at]!.folder, SELF_TEST_FILE), result)
      yield { folder: waiting[at]!.folder, result }
    }
    waiting = []
    numbers = 0
  }
}

/**
 * An SAE with what is claimed of it: for one trained here what metrics.json measured, else the L0 in the folder's name
 * (`average_l0_71`, `l0_71`) or in its cfg.json.
 */
async function subjectOf(folder: string, sae: Sae): Promise<SelfTestSubject> {
  if (sae.metadata.training !== undefined) {
    const metrics = await readMetrics(folder)
    if (metrics !== undefined) {
      const { l0, fvu, delta_ce_loss } = metrics
      const claims = {
        l0,
        ...(fvu === undefined ? {} : { fvu }),
        ...(delta_ce_loss === undefined ? {} : { delta_ce_loss }),
      }
      return { sae, claims, claims_from: 'metrics.json' }
    }
  }
  const named = Number(/(?:^|_)l0_(\d+(?:\.\d+)?)$/.exec(basename(folder))?.[1])
  if (named > 0) return { sae, claims: { l0: named }, claims_from: "the folder's name" }
  const told = sae.metadata.l0
  if (typeof told === 'number' && told > 0)
    return { sae, claims: { l0: told }, claims_from: 'cfg.json' }
  return { sae, claims: {} }
}

const Cause = z.object({
  kind: z.enum(['hook', 'scale', 'bos', 'norm_gain', 'b_dec']),
  says: z.string(),
  l0: z.number(),
  fvu: z.number().optional(),
  n_tokens: z.number(),
  hook_name: z.custom<HookName>((value) => typeof value === 'string').optional(),
  hook_name_out: z.custom<HookName>((value) => typeof value === 'string').optional(),
  scale: z.number().optional(),
})

const SelfTest = z.object({
  badge: z.enum(BADGES),
  hook_name: z.custom<HookName>((value) => typeof value === 'string'),
  hook_name_out: z.custom<HookName>((value) => typeof value === 'string').optional(),
  l0: z.number(),
  claimed_l0: z.number().optional(),
  fvu: z.number().optional(),
  claimed_fvu: z.number().optional(),
  ce_loss: z.number().optional(),
  delta_ce_loss: z.number().optional(),
  claimed_delta_ce_loss: z.number().optional(),
  claims_from: z.string().optional(),
  n_tokens: z.number(),
  n_excluded: z.number(),
  causes: z.array(Cause),
  notes: z.array(z.string()),
  absent: z.record(z.string(), z.string()),
  model: z.string(),
  model_hash: z.string(),
  model_weights: z.string(),
  version: z.string(),
})

/**
 * The self-test kept beside an SAE, `undefined` where it has not been tested.
 * @throws FormatError if the file is not what `selfTestFolders` writes.
 */
export async function readSelfTest(folder: string): Promise<SelfTestFile | undefined> {
  const path = join(folder, SELF_TEST_FILE)
  if (!(await pathExists(path))) return undefined
  const parsed = SelfTest.safeParse(await readJson(path))
  if (parsed.success) return parsed.data as SelfTestFile
  const [issue] = parsed.error.issues
  throw new FormatError(
    path,
    `${issue?.path.join('.')}: ${issue?.message}. Delete the file and run hooke check again.`,
  )
}
