/** Training as a stage: every SAE that is asked for, from one pass over a store of activations or a stream of them. */
import { join } from 'node:path'
import { type BatchSource, openActivations } from '../activations/index.ts'
import { pathExists } from '../files/index.ts'
import { expandHooks } from '../model/index.ts'
import { saeFolder } from '../sae/index.ts'
import { type SaeSpec, train } from '../train/index.ts'
import type { PipelineConfig, PipelineEvent } from './config.ts'
import { readFailure } from './failure.ts'
import { beginSuite, checkBegun, specOf, withBegun } from './plan.ts'
import { PointsFile } from './pointsFile.ts'
import { factsOfStore, planRun, type RunPlan, settle } from './runPlan.ts'
import { readSuiteFile, type SuiteFile } from './suiteFile.ts'
import { sweepSuite, sweepTrained } from './sweep.ts'

/** Settings of a training from a store that is there already: no text, so nothing is captured or measured. */
export type StoreTraining = Omit<PipelineConfig, 'model' | 'data' | 'held_out' | 'dtype'> & {
  /** The store's folder. */
  readonly store: string
}

/** Trains SAEs from a source's batches, or goes on from the checkpoint in `config.out`. @throws as `train`. */
export async function trainSaes(
  source: BatchSource,
  model: { readonly name: string; readonly hash: string },
  saes: readonly SaeSpec[],
  config: Pick<PipelineConfig, 'out' | 'batch_size' | 'n_tokens' | 'seed' | 'threads' | 'recipe'>,
  options: {
    signal: AbortSignal
    hold?: () => Promise<void> | undefined
    say: (message: string, share: number) => void
    report: (event: PipelineEvent) => void
  },
): Promise<void> {
  const { signal, hold, say, report } = options
  const { out, batch_size, n_tokens, seed, threads, recipe } = config
  say(`training ${saes.length} SAE${saes.length === 1 ? '' : 's'}`, 0)
  const file = new PointsFile(out)
  const result = await train({
    source,
    saes,
    out,
    batch_size,
    n_tokens,
    seed,
    threads,
    ...(recipe ? { recipe } : {}),
    model_metadata: { model_name: model.name, model_hash: model.hash },
    signal,
    ...(hold ? { hold } : {}),
    onPoint: ({ step, n_steps, points }) => {
      say(`training: step ${step} of ${n_steps}`, step / n_steps)
      report({ type: 'points', points })
      file.add(points)
    },
  }).finally(() => file.close())
  for (const { spec, failed } of result.saes)
    report(
      failed === undefined
        ? { type: 'suite', change: 'trained', spec }
        : { type: 'suite', change: 'failed', spec, reason: failed.reason },
    )
}

/**
 * Trains a suite from a finished activation store, which stays. The model is not opened: its name, place and hash are the store's.
 * Run again, it goes on from its checkpoint; a suite that is whole stays as it is.
 * @returns suite.json's content.
 * @throws FormatError if the store is not whole; RangeError if it lacks a site or the folder's suite was begun otherwise; as `train`.
 */
export async function trainFromStore(
  { store: folder, ...settings }: StoreTraining,
  options: {
    report?: (event: PipelineEvent) => void
    /** Given before anything is written; its making takes a moment. */
    onPlan?: (plan: RunPlan) => void
    signal: AbortSignal
  },
): Promise<SuiteFile> {
  const { report = () => {}, onPlan, signal } = options
  const begun = await readSuiteFile(settings.out)
  const { config, facts, settled } = await storeRun({ store: folder, ...settings }, begun)
  if (onPlan) onPlan(await planRun(facts, settled, { ...settings, eval_tokens: 0 }))
  const store = await openActivations(folder, { memory_bytes: settled.sizes.activation_bytes })
  try {
    const { model } = store.manifest
    const suite = await beginSuite(config, {
      model,
      hooks: expandHooks(config.hooks, store.hooks),
      width: store.width,
      text: async () => ({ data_hash: store.hash }),
    })
    if (suite.data_hash !== store.hash)
      throw new RangeError(
        `${config.out}: this suite was begun with other activations than ${folder} holds. Give the same store to go on, or another folder to start anew.`,
      )
    const started = performance.now()
    const say = (message: string, share: number): void =>
      report({
        type: 'progress',
        stage: 'train',
        message,
        progress: share,
        ...(share > 0
          ? { remaining_ms: ((performance.now() - started) * (1 - share)) / share }
          : {}),
      })
    await sweepSuite(config.out, suite)
    const saes = suite.saes.map(specOf)
    if (await isTrained(config.out, saes))
      await sweepTrained(config.out, { keep_activations: true })
    else await trainSaes(store, model, saes, config, { signal, say, report })
    return suite
  } finally {
    await store.close()
  }
}

/** What `trainFromStore` would do. @throws as it, before it writes anything. */
export async function planFromStore(settings: StoreTraining): Promise<RunPlan> {
  const { facts, settled } = await storeRun(settings, await readSuiteFile(settings.out))
  return planRun(facts, settled, { ...settings, eval_tokens: 0 })
}

async function storeRun(
  { store: folder, ...settings }: StoreTraining,
  begun: SuiteFile | undefined,
) {
  const store = await openActivations(folder)
  try {
    const { model, dtype } = store.manifest
    const asked = { ...settings, model: model.path ?? model.name, data: [], held_out: 0, dtype }
    const config: PipelineConfig = withBegun(asked, begun)
    if (begun) checkBegun(config, begun, model)
    const facts = factsOfStore(config, store)
    const settled = settle(facts, config, begun)
    return { config: settled.config, facts, settled }
  } finally {
    await store.close()
  }
}

/** Whether training has come to the end of every SAE: it is there, or its failure. */
export async function isTrained(out: string, saes: readonly SaeSpec[]): Promise<boolean> {
  for (const { hook, d_sae, l0 } of saes) {
    const folder = saeFolder(out, hook, d_sae, l0)
    const isThere = await pathExists(join(folder, 'cfg.json'))
    if (!isThere && (await readFailure(folder)) === undefined) return false
  }
  return true
}
