/** A language model: open it, run it with hooks and edits, generate from it. */

export { countParameters } from './architectures/index.ts'
export { BACKENDS, type BackendChoice } from './backend.ts'
export { padBatch } from './batch.ts'
export {
  type ChatMessage,
  type ChatOptions,
  chatEnds,
  renderChat,
  tokenizeChat,
} from './chat.ts'
export { controlIds } from './controlIds.ts'
export {
  type GeneratedToken,
  type GenerateOptions,
  generate,
  type StopReason,
} from './generate.ts'
export type { Backend } from './graphSession.ts'
export * from './hooks.ts'
export { selectRows } from './kvCache.ts'
export { type ModelMemory, PRECISIONS, type Precision, passBytes } from './memory.ts'
export { type MlpNorm, readMlpNorm } from './mlpNorm.ts'
export { type OpenModelOptions, openModel } from './openModel.ts'
export { openRandom, type Random } from './random.ts'
export { type SampledDocument, type SampleOptions, sampleDocuments } from './sampleDocuments.ts'
export type { SamplingOptions } from './sampling.ts'
export * from './types.ts'
