/** What a job's worker thread and the thread that started it say to each other. Plain data only. */
import type { PipelineConfig, PipelineEvent } from './config.ts'

/** To the worker: its job comes as workerData; afterwards only the wishes to pause, to go on, to stop. */
export type ToWorker = { readonly type: 'pause' | 'resume' | 'stop' }

export type WorkerJob = { readonly config: PipelineConfig }

/** From the worker. Exactly one of `done`, `stopped`, `failed` ends it. */
export type FromWorker =
  | { readonly type: 'event'; readonly event: PipelineEvent }
  /** The pipeline has come to the end of a piece of work after `pause`, and waits. */
  | { readonly type: 'paused' }
  | { readonly type: 'done' }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly error: string }
