/** What a run will do and take, known before it begins: SAEs, tokens, disk, memory, time. */

import {
  NORM_TOKENS,
  planCapture,
  sampleCorpus,
  specialIds,
  type TokenCorpus,
} from '../activations/index.ts'
import { DTYPE_BYTES } from '../formats/index.ts'
import { expandHooks, type HookName, type Model } from '../model/index.ts'
import type { PipelineConfig } from './config.ts'
import { forecastTime, measureSpeed, type TimePlan } from './forecast.ts'
import {
  ACTIVATION_BYTES,
  captureMemory,
  type MemoryPlan,
  type RunFacts,
  type Sizes,
  settleMemory,
  stateBytes,
  tokenBytes,
} from './memory.ts'
import { askedSaes, checkSizes, checkTrainingText, sitesOf, type Texts } from './plan.ts'
import type { SuiteFile } from './suiteFile.ts'

export type RunPlan = {
  /** `capture`: into a store, then train. `stream`: together, nothing on disk. `store`: from a store that is there. */
  readonly mode: RunFacts['mode']
  readonly n_saes: number
  /** Sites that are captured. */
  readonly sites: readonly string[]
  /** Tokens each SAE is trained on, whole steps. */
  readonly n_tokens: number
  /** Countable tokens that are captured: an epoch. */
  readonly text_tokens: number
  readonly epochs: number
  readonly batch_size: number
  readonly n_steps: number
  readonly disk: {
    /** Removed after training unless asked otherwise; 0 with a stream, and with a store that is there. */
    readonly activation_bytes: number
    /** Two, removed after training. */
    readonly checkpoint_bytes: number
    readonly sae_bytes: number
  }
  /** Of a stream. */
  readonly buckets?: {
    readonly n_tokens: number
    readonly size_bytes: number
    readonly n_per_epoch: number
  }
  readonly memory: MemoryPlan
  /** The budget, where one was given. */
  readonly memory_bytes?: number
  /** An estimate from a short measurement on this machine. */
  readonly time: TimePlan
}

/** What is known of a run with a model and a text. @throws RangeError as `expandHooks` and `askedSaes`. */
function factsOfModel(config: PipelineConfig, model: Model, corpus: TokenCorpus): RunFacts {
  const hooks = expandHooks(config.hooks, model.hooks)
  const { n_tokens } = planCapture(corpus, specialIds(model))
  const facts = factsOf(config, askedSaes(config, hooks, model.width), model.width, n_tokens)
  return { ...facts, mode: config.stream === true ? 'stream' : 'capture', model }
}

/** What is known of a run from a store. */
export function factsOfStore(
  config: PipelineConfig,
  store: {
    readonly hooks: readonly HookName[]
    readonly width: (hook: HookName) => number
    readonly n_tokens: number
  },
): RunFacts {
  const saes = askedSaes(config, expandHooks(config.hooks, store.hooks), store.width)
  const sites = Object.fromEntries(store.hooks.map((hook) => [hook, store.width(hook)]))
  return { ...factsOf(config, saes, store.width, store.n_tokens), sites, mode: 'store' }
}

function factsOf(
  config: PipelineConfig,
  saes: SuiteFile['saes'],
  width: (hook: HookName) => number,
  text_tokens: number,
): Omit<RunFacts, 'mode'> {
  checkSizes(config)
  const { dtype, n_tokens, batch_size, threads, recipe } = config
  return {
    saes: saes.map((sae) => ({ ...sae, d_out: width(sae.hook_out ?? sae.hook) })),
    sites: Object.fromEntries(sitesOf(saes).map((hook) => [hook, width(hook)])),
    dtype,
    text_tokens,
    n_tokens,
    batch_size,
    threads,
    ...(recipe === undefined ? {} : { recipe }),
  }
}

/**
 * Settles a run that begins, or goes on as its suite was begun.
 * @returns the configuration with what was settled for good. @throws RangeError if its budget cannot be kept.
 */
export function settle(
  facts: RunFacts,
  config: PipelineConfig,
  begun: SuiteFile | undefined,
): Settled {
  const { memory_bytes } = config
  const activation_bytes = begun ? (config.activation_bytes ?? ACTIVATION_BYTES) : undefined
  const { sizes, memory } = settleMemory(facts, {
    ...(memory_bytes === undefined ? {} : { memory_bytes }),
    ...(activation_bytes === undefined ? {} : { activation_bytes }),
  })
  const isNew = begun === undefined && memory_bytes !== undefined
  const settled = isNew ? { ...config, activation_bytes: sizes.activation_bytes } : config
  return { config: settled, sizes, memory }
}

/** A run whose sizes are known. */
export type Settled = {
  readonly config: PipelineConfig
  readonly sizes: Sizes
  readonly memory: MemoryPlan
}

/** A training that is settled, with the text that is captured for it. */
export type Training = {
  readonly facts: RunFacts
  readonly settled: Settled
  readonly corpus: TokenCorpus
}

/**
 * Settles the training of a run with a model and a text.
 * @throws RangeError if its budget cannot be kept, or the suite was begun with other text.
 */
export async function settleTraining(
  config: PipelineConfig,
  model: Model,
  texts: Texts,
  begun: SuiteFile | undefined,
): Promise<Training> {
  const { whole, train } = await texts.training()
  if (begun) checkTrainingText(config.out, begun, whole)
  // More text than is trained on need not be captured.
  const corpus = sampleCorpus(train, { n_tokens: config.n_tokens, seed: config.seed })
  const facts = factsOfModel(config, model, corpus)
  return { facts, settled: settle(facts, config, begun), corpus }
}

/** The plan of a settled training. */
export const planTraining = (
  { facts, settled, corpus }: Training,
  model: Model,
): Promise<RunPlan> => planRun(facts, settled, { ...settled.config, text: { model, corpus } })

/**
 * The whole plan. Takes a moment: the time is estimated from a measurement.
 * @param run.eval_tokens held-out tokens that are measured on afterwards.
 */
export async function planRun(
  facts: RunFacts,
  { sizes, memory }: Settled,
  run: {
    readonly memory_bytes?: number | undefined
    readonly eval_tokens: number
    readonly text?: { readonly model: Model; readonly corpus: TokenCorpus }
  },
): Promise<RunPlan> {
  const { mode, saes, text_tokens, batch_size } = facts
  const sites = Object.keys(facts.sites)
  const n_steps = Math.floor(facts.n_tokens / batch_size)
  const n_per_epoch = Math.ceil(text_tokens / sizes.bucket_tokens)
  const bucket_tokens = Math.min(sizes.bucket_tokens, text_tokens)
  const speed = await measureSpeed(run.text && { ...run.text, hooks: sites as HookName[] })
  const weights = saes.reduce(
    (n, { d_in, d_out, d_sae }) => n + d_sae * (d_in + d_out + 2) + d_out,
    0,
  )
  return {
    mode,
    n_saes: saes.length,
    sites,
    n_tokens: n_steps * batch_size,
    text_tokens,
    epochs: (n_steps * batch_size) / text_tokens,
    batch_size,
    n_steps,
    disk: {
      activation_bytes: mode === 'capture' ? storeBytes(facts) : 0,
      checkpoint_bytes: 2 * stateBytes(facts),
      sae_bytes: DTYPE_BYTES.F32 * weights,
    },
    ...(mode === 'stream'
      ? {
          buckets: {
            n_tokens: bucket_tokens,
            size_bytes: bucket_tokens * tokenBytes(facts),
            n_per_epoch,
          },
        }
      : {}),
    memory,
    ...(run.memory_bytes === undefined ? {} : { memory_bytes: run.memory_bytes }),
    time: forecastTime(facts, speed, {
      n_buckets: n_per_epoch,
      norm_tokens: NORM_TOKENS,
      eval_tokens: run.eval_tokens,
    }),
  }
}

/** What a capture into a store will take. */
export type CapturePlan = {
  readonly sites: readonly string[]
  readonly n_tokens: number
  readonly disk_bytes: number
  readonly memory_bytes: number
  /** An estimate from a short measurement on this machine. */
  readonly time_ms: number
}

/** The plan of a capture by itself. @param n_tokens countable tokens to store; all where absent. */
export async function planStore(
  model: Model,
  corpus: TokenCorpus,
  {
    hooks,
    dtype,
    n_tokens,
  }: { hooks: readonly HookName[]; dtype: RunFacts['dtype']; n_tokens?: number },
): Promise<CapturePlan> {
  const asked = n_tokens === undefined ? {} : { n_tokens }
  const text_tokens = planCapture(corpus, specialIds(model), asked).n_tokens
  const sites = Object.fromEntries(hooks.map((hook) => [hook, model.width(hook)]))
  const { forward_tokens } = await measureSpeed({ model, hooks, corpus })
  return {
    sites: hooks,
    n_tokens: text_tokens,
    disk_bytes: storeBytes({ sites, dtype, text_tokens }),
    memory_bytes: captureMemory(model, { sites, dtype, text_tokens }),
    time_ms: (1000 * text_tokens) / forward_tokens!,
  }
}

/** Activations and the index of every token. */
const storeBytes = (facts: Pick<RunFacts, 'sites' | 'dtype' | 'text_tokens'>): number =>
  facts.text_tokens * (tokenBytes(facts) + 4)
