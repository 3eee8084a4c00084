export * from './byteSource.ts'
export * from './errors.ts'
export * from './tensor.ts'
