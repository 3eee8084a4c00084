export { padBatch } from './batch.ts'
export * from './hooks.ts'
export { type OpenModelOptions, openModel } from './openModel.ts'
export * from './types.ts'
