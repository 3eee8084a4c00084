/** `train`: every SAE of a suite from one pass over the batches. */
import type { TrainOptions, TrainResult } from './types.ts'

export function train(options: TrainOptions): Promise<TrainResult> {
  throw new Error(`train: in the works (${options.out})`)
}
