export * from './config.ts'
export { train } from './trainer.ts'
export * from './types.ts'
