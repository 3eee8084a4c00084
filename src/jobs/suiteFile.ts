/** suite.json of a pipeline run: the suite's manifest, and which SAEs it is to hold, written before the first of them exists. */
import { basename, join } from 'node:path'
import { z } from 'zod'
import { pathExists } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import { readSuiteManifest, writeSuiteManifest } from '../sae/disk.ts'
import { parseHookName, type SuiteManifest } from '../sae/index.ts'
import type { SaeSpec } from '../train/index.ts'
import type { PipelineConfig } from './config.ts'

/** The manifest, and what a page shows before anything is trained. */
export type SuiteFile = SuiteManifest & {
  /** The SAEs that the suite is to hold; empty where something else than a pipeline made it. */
  readonly saes: readonly (SaeSpec & { readonly d_in: number })[]
  /** The beginning of one of the documents that examples come from. */
  readonly sample_text?: string
  /** The whole order of the run that made it, paths as they were on that machine: what later stages begin from. */
  readonly pipeline?: PipelineConfig
}

const Plan = z.looseObject({
  model: z.object({ name: z.string(), path: z.string(), hash: z.string() }),
  config: z.record(z.string(), z.unknown()),
  saes: z
    .array(
      z.object({
        hook: z.string(),
        d_in: z.int().positive(),
        d_sae: z.int().positive(),
        l0: z.number().positive(),
        hook_out: z.string().optional(),
      }),
    )
    .default([]),
  sample_text: z.string().optional(),
  // Written by this program, read by its own later stages, which check what they use.
  pipeline: z.custom<PipelineConfig>((value) => typeof value === 'object').optional(),
})

/**
 * Reads suite.json; its name is the folder's, wherever the folder was copied to.
 * @returns undefined where the folder has none (SAEs from elsewhere).
 * @throws FormatError if it is not what this program writes.
 */
export async function readSuiteFile(suite: string): Promise<SuiteFile | undefined> {
  const path = join(suite, 'suite.json')
  if (!(await pathExists(path))) return undefined
  const manifest = await readSuiteManifest(suite)
  const plan = Plan.safeParse(manifest)
  if (!plan.success) {
    const [issue] = plan.error.issues
    throw new FormatError(
      path,
      `${issue?.path.join('.')}: ${issue?.message}. Delete the file to open the SAEs without it.`,
    )
  }
  const { saes, sample_text, pipeline } = plan.data
  return {
    ...manifest,
    name: basename(suite),
    saes: saes.map(({ hook, hook_out, ...sizes }) => ({
      hook: parseHookName(hook, path),
      ...sizes,
      ...(hook_out === undefined ? {} : { hook_out: parseHookName(hook_out, path) }),
    })),
    ...(sample_text === undefined ? {} : { sample_text }),
    ...(pipeline === undefined ? {} : { pipeline }),
  }
}

/** Writes suite.json in one step. */
export const writeSuiteFile = (suite: string, content: SuiteFile): Promise<void> =>
  writeSuiteManifest(suite, content)

/** The beginning of a text as a sample: its first sentences up to `most` characters, else as many words. */
export function firstSentences(text: string, most = 160): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim()
  if (flat.length <= most) return flat
  const head = flat.slice(0, most + 1)
  const sentences = /^.*[.!?]["'”’)]?(?= )/.exec(head)?.[0]
  return sentences ?? head.slice(0, Math.max(1, head.lastIndexOf(' ')))
}
