export * from './config.ts'
export * from './demo.ts'
