/** Metrics of SAEs: one definition each, one file each. */

export { addLosses, type LossSum, lossSum, meanLoss, mergeLosses } from './ceLoss.ts'
export { ceLossRecovered } from './ceLossRecovered.ts'
export { comparePrecision, type PrecisionComparison } from './comparePrecision.ts'
export { dead, deadWindows, neverFired, noteFirst } from './dead.ts'
export { countActive, densityHistogram } from './density.ts'
export { type EvaluateOptions, evaluateSuite } from './evaluateSuite.ts'
export { addToFvu, type FvuSums, fvu, fvuSums, mergeFvu } from './fvu.ts'
export { importance } from './importance.ts'
export { l0 } from './l0.ts'
export { addToRatio, l2Ratio, type RatioSum, ratioSum } from './l2Ratio.ts'
export { type Bins, binRuns, binStart, byPosition, positionBin } from './position.ts'
export {
  type Head,
  headOf,
  openReadout,
  type Readout,
  type Reference,
  readoutBytes,
} from './readout.ts'
export { addToBias, type BiasSums, biasSums, reconstructionBias } from './reconstructionBias.ts'
export {
  type SelfTestOptions,
  type SelfTestResult,
  type SelfTestSubject,
  selfTest,
} from './selfTest.ts'
export { BADGES, type Badge, type Claims } from './selfTestBadge.ts'
export type { Cause } from './selfTestCauses.ts'
export { spliceEdit } from './splice.ts'
export { type Targets, targetsAmong } from './targets.ts'
export { uniformity } from './uniformity.ts'
