/** Long work: the pipeline, its queue, and the import of what it leaves on disk. */
export * from './config.ts'
export { demoConfig } from './demo.ts'
export { importSuite, type SuiteInfo, saeId } from './importSuite.ts'
export { LABELS_FILE, type LabelsFile, readLabelsFile, writeLabelsFile } from './labelsFile.ts'
export { openPieces, showPiece, writePieces } from './pieces.ts'
export { type PipelineOptions, runPipeline } from './pipeline.ts'
export { JobQueue, type QueueEvent } from './queue.ts'
export { readSuiteFile, type SuiteFile } from './suiteFile.ts'
