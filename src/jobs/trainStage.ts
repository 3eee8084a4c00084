/** Training as a stage: every SAE that is asked for, from one pass over an activation store. */
import { type ActivationStore, openActivations } from '../activations/index.ts'
import { expandHooks } from '../model/index.ts'
import { listSuite } from '../sae/disk.ts'
import { saeFolder } from '../sae/index.ts'
import { type SaeSpec, train } from '../train/index.ts'
import type { PipelineConfig, PipelineEvent } from './config.ts'
import { beginSuite } from './plan.ts'
import { PointsFile } from './pointsFile.ts'
import type { SuiteFile } from './suiteFile.ts'

/** Settings of a training from a store that is there already: no text, so nothing is captured or measured. */
export type StoreTraining = Omit<PipelineConfig, 'model' | 'data' | 'held_out' | 'dtype'> & {
  /** The store's folder. */
  readonly store: string
}

/** Trains SAEs from the store's batches, or goes on from the checkpoint in `config.out`. @throws as `train`. */
export async function trainSaes(
  store: ActivationStore,
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
  const { name, hash } = store.manifest.model
  say(`training ${saes.length} SAE${saes.length === 1 ? '' : 's'}`, 0)
  const file = new PointsFile(out)
  await train({
    source: store,
    saes,
    out,
    batch_size,
    n_tokens,
    seed,
    threads,
    ...(recipe ? { recipe } : {}),
    model_metadata: { model_name: name, model_hash: hash },
    signal,
    ...(hold ? { hold } : {}),
    onPoint: ({ step, n_steps, points }) => {
      say(`training: step ${step} of ${n_steps}`, step / n_steps)
      report({ type: 'points', points })
      file.add(points)
    },
  }).finally(() => file.close())
  for (const spec of saes) report({ type: 'suite', change: 'trained', spec })
}

/**
 * Trains a suite from a finished activation store, which stays. The model is not opened: its name, place and hash are the store's.
 * Run again, it goes on from its checkpoint; a suite that is whole stays as it is.
 * @returns suite.json's content.
 * @throws FormatError if the store is not whole; RangeError if it lacks a site or the folder's suite was begun otherwise; as `train`.
 */
export async function trainFromStore(
  { store: folder, ...settings }: StoreTraining,
  options: { report?: (event: PipelineEvent) => void; signal: AbortSignal },
): Promise<SuiteFile> {
  const { report = () => {}, signal } = options
  const store = await openActivations(folder)
  try {
    const { model, dtype } = store.manifest
    const config: PipelineConfig = {
      ...settings,
      model: model.path ?? model.name,
      data: [],
      held_out: 0,
      dtype,
    }
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
    const there = new Set((await listSuite(config.out)).map(({ path }) => path))
    const saes = suite.saes.map(({ hook, d_sae, l0 }) => ({ hook, d_sae, l0 }))
    if (saes.some(({ hook, d_sae, l0 }) => !there.has(saeFolder(config.out, hook, d_sae, l0))))
      await trainSaes(store, saes, config, { signal, say, report })
    return suite
  } finally {
    await store.close()
  }
}
