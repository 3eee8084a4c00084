/** What latents do. Saving and opening on disk is in `disk.ts`. */

export { EXAMPLE_DEFAULTS, type ExampleOptions, indexBytes } from './accumulate.ts'
export { N_TOP_TOKENS } from './examples.ts'
export { type IndexProgress, indexLatents } from './indexLatents.ts'
export { type ActivationInterval, intervalsOf } from './intervals.ts'
export { type LatentReader, parseLatents, renderLatents } from './latentFile.ts'
export { effectHistogram, meanRow, N_LOGITS, whyNoLogits } from './logits.ts'
export { N_NEIGHBOURS } from './neighbours.ts'
export {
  activationRows,
  explanationRow,
  featureRow,
  type NeuronpediaSource,
} from './neuronpedia.ts'
export { latentRecord } from './record.ts'
export * from './types.ts'
