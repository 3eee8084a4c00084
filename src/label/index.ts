export { type Share, wilson, wordOverlap } from './agreement.ts'
export {
  ASK_DEFAULTS,
  type Asker,
  type AskerOptions,
  CapError,
  openAsker,
  type Spent,
} from './ask/asker.ts'
export { CallError } from './ask/call.ts'
export { costOf, estimateCost, type Prices } from './ask/cost.ts'
export { type Journal, memoryJournal } from './ask/journal.ts'
export { knownPrices, PROVIDERS, type ProviderName, urlOf } from './ask/providers.ts'
export type { Question, Usage } from './ask/question.ts'
export { type Activity, type Half, readActivities } from './examples/activity.ts'
export { type Material, materialOf, type Seen } from './examples/material.ts'
export { nearMisses } from './examples/nearMisses.ts'
export { splitExamples } from './examples/shown.ts'
export {
  authorOf,
  EXPLAINERS,
  type ExplainEvent,
  type ExplainerName,
  type ExplainOptions,
  type ExplainSummary,
  explainLatents,
  explainQuestion,
} from './explain/explain.ts'
export { type WordBackground, wordBackground } from './lexical/background.ts'
export { LexicalClaim } from './lexical/claim.ts'
export {
  LEXICAL_AUTHOR,
  type LexicalLabel,
  type LexicalOptions,
  lexicalLabel,
} from './lexical/lexicalLabel.ts'
export { writeSteered } from './score/generate.ts'
export { predicts } from './score/lexical.ts'
export { balancedAccuracy } from './score/measures.ts'
export { priorityOf } from './score/priority.ts'
export {
  questionsOf,
  SCORERS,
  type ScoreEvent,
  type ScorerName,
  scoreLabels,
  type Task,
} from './score/score.ts'
export type { Measure, Measured, Steered, Subject } from './score/types.ts'
export * from './types.ts'
