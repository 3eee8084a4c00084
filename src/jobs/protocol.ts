/** What a job's worker thread and the thread that started it say to each other. Plain data only. */
import type { PipelineConfig, PipelineEvent } from './config.ts'
import type { ExplainingOrder, ExplainingResult, Unexplained } from './explainSuite.ts'
import type { ScoringResult } from './scoreSuite.ts'
import type { DueLabel, ScoringOrder } from './scoring.ts'

/** To the worker: its job comes as workerData; afterwards only the wishes to pause, to go on, to stop. */
export type ToWorker = { readonly type: 'pause' | 'resume' | 'stop' }

/** Labels to be scored or made. Which is asked of the database, which a worker has not. */
export type AskingJob =
  | { readonly kind: 'score'; readonly order: ScoringOrder; readonly due: readonly DueLabel[] }
  | {
      readonly kind: 'explain'
      readonly order: ExplainingOrder
      readonly due: readonly Unexplained[]
    }

export type WorkerJob = { readonly config: PipelineConfig } | AskingJob

/** What a job reports. */
export type JobEvent =
  | PipelineEvent
  | {
      readonly type: 'progress'
      readonly stage: AskingJob['kind']
      readonly message: string
      readonly progress: number
      readonly remaining_ms?: never
    }
  | ScoringResult
  | ExplainingResult

/** From the worker. Exactly one of `done`, `stopped`, `failed` ends it. */
export type FromWorker =
  | { readonly type: 'event'; readonly event: JobEvent }
  /** The job has come to the end of a piece of work after `pause`, and waits. */
  | { readonly type: 'paused' }
  /** `message` says what came of it. */
  | { readonly type: 'done'; readonly message?: string }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly error: string }
