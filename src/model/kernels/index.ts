/** Products of few rows, attention and activations in WebAssembly, on a team of threads over shared memory. */

export type { WeightDtype } from './jobs.ts'
export * from './team.ts'
