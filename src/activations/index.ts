export { partOf } from './borders.ts'
export {
  type CapturePlan,
  capture,
  countableRows,
  type PlannedBatch,
  padDocuments,
  planCapture,
  specialIds,
  takeRows,
} from './capture.ts'
export {
  corpusOfTexts,
  countDocuments,
  sampleCorpus,
  selectDocuments,
  splitCorpus,
  textStart,
} from './corpus.ts'
export { isStore, type Manifest } from './manifest.ts'
export { type ActivationStore, openActivations, verifyStore } from './openActivations.ts'
export { hash32 } from './random.ts'
export { readCorpus } from './readCorpus.ts'
export { DOCUMENT_SEPARATOR } from './readDocuments.ts'
export {
  type ActivationStream,
  NORM_TOKENS,
  openStream,
  STREAM_BUCKETS,
  type StreamEvent,
  type StreamOptions,
} from './stream.ts'
export * from './types.ts'
export { type CaptureProgress, writeStore } from './writeStore.ts'
