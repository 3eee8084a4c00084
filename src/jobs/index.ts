/** Long work: the pipeline, its queue, and the import of what it leaves on disk. */
export {
  type AskSettings,
  askingFromEnvironment,
  missingKey,
  settleAsking,
} from './asking.ts'
export * from './config.ts'
export { demoConfig } from './demo.ts'
export {
  type ExplainingOrder,
  estimateExplaining,
  explainSuite,
  type Unexplained,
  unexplained,
} from './explainSuite.ts'
export { readFailure } from './failure.ts'
export { importSuite, type SuiteInfo, saeId } from './importSuite.ts'
export { isFree, localEncoder } from './judges.ts'
export { exportLabels, importLabels, LABEL_FORMATS, suiteNames } from './labelLines.ts'
export { LABELS_FILE, type LabelsFile, readLabelsFile, writeLabelsFile } from './labelsFile.ts'
export { dashed, neuronpediaSource } from './neuronpediaSource.ts'
export { openPieces, readPieces, showPiece, writePieces } from './pieces.ts'
export { type PipelineOptions, planPipeline, runPipeline } from './pipeline.ts'
export { adoptSaes, outputOf, weightsOfSuite } from './plan.ts'
export { readPoints } from './pointsFile.ts'
export { JobQueue, type QueueEvent } from './queue.ts'
export { type CapturePlan, planStore, type RunPlan } from './runPlan.ts'
export { scoreSuite } from './scoreSuite.ts'
export {
  type DueLabel,
  dueLabels,
  estimateScoring,
  SCORING_DEFAULTS,
  type ScoringCost,
  type ScoringOrder,
  scorerNames,
} from './scoring.ts'
export { readSuiteFile, type SuiteFile } from './suiteFile.ts'
export { planFromStore, type StoreTraining, trainFromStore } from './trainStage.ts'
