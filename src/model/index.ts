export * from './hooks.ts'
export * from './types.ts'
