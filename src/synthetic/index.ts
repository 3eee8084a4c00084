/** Activations with a known dictionary, and how much of it an SAE recovers. */
export { type Absorption, absorption } from './absorption.ts'
export {
  type DirectionScore,
  directionScore,
  type FiringScore,
  firingScore,
  type Matching,
  matchFeatures,
} from './recovery.ts'
export { syntheticSource } from './source.ts'
export type * from './types.ts'
