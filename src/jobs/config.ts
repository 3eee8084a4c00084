/** What a pipeline run is asked to do. Plain JSON: it travels to worker threads, into the queue and into suite.json. */

import type { Precision } from '../model/index.ts'
import type { RecipeInput, SaeSpec, TrainPoint } from '../train/index.ts'

/** Settings of one suite, from text to labels. Paths are absolute. */
export type PipelineConfig = {
  /** A bundled name, a folder in Hugging Face's layout, or a Hub id. */
  readonly model: string
  /** How its weights lie in memory; float32 where absent. */
  readonly weights?: Precision
  /** Text to train and evaluate on: files, or data sets on the Hub. */
  readonly data: readonly string[]
  /** Field or column of the data that holds the text; `text` where absent. */
  readonly text_column?: string
  /** Text to evaluate on, all of it; the held-out documents of `data` where absent. */
  readonly eval_data?: readonly string[]
  /** Text that examples, densities and histograms are taken from; `data` where absent. */
  readonly index_data?: readonly string[]
  /** The suite's folder. */
  readonly out: string
  /** Globs over hook sites: one SAE per site, width and l0. */
  readonly hooks: readonly string[]
  /** Transcoders: the site of the same block that is reconstructed, e.g. `hook_mlp_out`. */
  readonly hook_out?: string
  readonly d_sae: readonly number[]
  /** Active latents per token asked for. */
  readonly l0: readonly number[]
  /** Tokens to train on, epochs counted. */
  readonly n_tokens: number
  /** Held-out tokens to evaluate on. */
  readonly eval_tokens: number
  /** Held-out tokens on which the importance of active latents is measured, 0 for none; evaluation's own number where absent. */
  readonly importance_tokens?: number
  /** Most tokens to index; all of the text where absent. */
  readonly index_tokens?: number
  /** Share of documents held out of training, 0 to 1. */
  readonly held_out: number
  /** Tokens per training step. */
  readonly batch_size: number
  readonly seed: number
  /** Threads of the model and of training. */
  readonly threads: number
  /** Element type of captured activations, on disk and in memory. */
  readonly dtype: 'F16' | 'BF16' | 'F32'
  /** Capture and train together, nothing on disk (default false: capture into a store first). */
  readonly stream?: boolean
  /** The most memory that the run may take; it is refused before it begins where that cannot be. */
  readonly memory_bytes?: number
  /**
   * Memory for activations while training: decides how far they are shuffled, so a run that goes on keeps that of its
   * beginning. Set by the plan.
   */
  readonly activation_bytes?: number
  /** What differs from the training recipe's defaults. */
  readonly recipe?: RecipeInput
  /** Keep the activation store after training (default false: it can be captured again). */
  readonly keep_activations?: boolean
}

/** The stages of a run, in order. */
export const STAGES = ['capture', 'train', 'evaluate', 'index', 'label'] as const
export type Stage = (typeof STAGES)[number]

/** What a run says while it works. */
export type PipelineEvent =
  /** Where it is: progress 0 to 1 over the whole run. */
  | {
      readonly type: 'progress'
      readonly stage: Stage
      readonly message: string
      readonly progress: number
      readonly remaining_ms?: number
    }
  | { readonly type: 'points'; readonly points: readonly TrainPoint[] }
  /** What lies on disk has grown: the suite's list of SAEs is known, or one of them has a new file. */
  | {
      readonly type: 'suite'
      readonly change: 'planned' | 'trained' | 'failed' | 'evaluated' | 'indexed' | 'labelled'
      readonly spec?: SaeSpec
      /** Of `failed`. */
      readonly reason?: string
    }
