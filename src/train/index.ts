export * from './config.ts'
export { TrainingStopped } from './errors.ts'
export { train } from './trainer.ts'
export * from './types.ts'
