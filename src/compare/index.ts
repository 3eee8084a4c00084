/** Two prompts in one model, or two models on one text: which latents are gained, lost, strengthened, where and how much. */

export { type AlignedPair, alignTokens } from './align.ts'
export { compareModels, type ModelCompareEvent, type ModelCompareOptions } from './compareModels.ts'
export { type CompareOptions, comparePrompts, compareRuns } from './compareRuns.ts'
export { falseDiscoveryRates, signTest } from './significance.ts'
export * from './types.ts'
