/** What a job's worker thread and the thread that started it say to each other. Plain data only. */
import type { PipelineConfig, PipelineEvent } from './config.ts'

/** To the worker: its job comes as workerData; afterwards only the wish to stop. */
export type ToWorker = { readonly type: 'stop' }

export type WorkerJob = { readonly config: PipelineConfig }

/** From the worker. Exactly one of `done`, `stopped`, `failed` ends it. */
export type FromWorker =
  | { readonly type: 'event'; readonly event: PipelineEvent }
  | { readonly type: 'done' }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly error: string }
