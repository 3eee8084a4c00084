/** Metrics of SAEs: one definition each, one file each. */

export { addLosses, type LossSum, meanLoss } from './ceLoss.ts'
export { dead } from './dead.ts'
export { countActive, densityHistogram } from './density.ts'
export { type EvaluateOptions, evaluateSuite } from './evaluateSuite.ts'
export { addToFvu, type FvuSums, fvu, fvuSums } from './fvu.ts'
export { l0 } from './l0.ts'
export { spliceEdit } from './splice.ts'
