/** What goes into a training run and what comes out. */
import type { BatchSource } from '../activations/index.ts'
import type { HookName } from '../model/index.ts'
import type { RecipeInput, SaeSpec } from './config.ts'

export type TrainOptions = {
  /** Raw activations; every SAE is trained on the same batches. */
  readonly source: BatchSource
  readonly saes: readonly SaeSpec[]
  /** Folder of the suite: results go to `<out>/<hook>/width_<W>/l0_<K>`, checkpoints to `<out>/checkpoint`. */
  readonly out: string
  readonly batch_size: number
  /** Tokens seen by each SAE, epochs repeated as needed; rounded down to whole batches. */
  readonly n_tokens: number
  readonly seed: number
  /** Worker threads; does not change the result. Default: one for each core, at most one for each shard. */
  readonly threads?: number
  readonly recipe?: RecipeInput
  /** Goes into the manifest of every SAE: model name and hash, data, versions. */
  readonly model_metadata?: Readonly<Record<string, unknown>>
  /** Stops after the current step with a checkpoint; `train` then throws TrainingStopped. */
  readonly signal?: AbortSignal
  /** Asked between steps; where it gives a promise, the run waits for it (a pause). */
  readonly hold?: () => Promise<void> | undefined
  readonly onPoint?: (progress: TrainProgress) => void
}

/** One measurement of one SAE while it trains, averaged since the last one. */
export type TrainPoint = {
  readonly hook: HookName
  readonly d_sae: number
  readonly l0_target: number
  readonly step: number
  readonly n_steps: number
  readonly n_tokens: number
  /** `||x - recon||^2` in training units (inputs of unit mean square norm). */
  readonly mse: number
  /** The price of L0 or of activations; the frequency penalty and the pre-activation loss are not in it. */
  readonly sparsity_loss: number
  /** The architecture's auxiliary loss (gated: the gate's own reconstruction; AuxK, with its weight), 0 where it has none. */
  readonly aux_loss: number
  /** Coefficient of the sparsity loss at this step. */
  readonly lambda: number
  readonly l0: number
  /** Ratio of sums over tokens, about the mean of each batch. */
  readonly fvu: number
  /** Share of latents that have not fired within `dead_window_tokens`. */
  readonly dead: number
  /** Tokens a second of the whole suite. */
  readonly tokens_per_s: number
}

export type TrainProgress = {
  readonly step: number
  readonly n_steps: number
  readonly remaining_ms: number
  /** One per SAE, in the order asked for. */
  readonly points: readonly TrainPoint[]
}

/** Why one SAE of a run was stopped. */
export type TrainFailure = {
  /** Steps taken when it failed. */
  readonly step: number
  readonly reason: string
  /** Steps taken at the checkpoint that `last_good.safetensors` holds; absent where there was none. */
  readonly last_good_step?: number
}

export type TrainResult = {
  readonly n_steps: number
  readonly n_tokens: number
  /** Wall time of this call, without what a checkpoint already held. */
  readonly wall_ms: number
  /** In the order asked for. */
  readonly saes: readonly {
    readonly spec: SaeSpec
    readonly folder: string
    readonly last: TrainPoint | undefined
    /** Why it was stopped before the end; its folder then holds failed.json and no SAE. */
    readonly failed?: TrainFailure
  }[]
}
