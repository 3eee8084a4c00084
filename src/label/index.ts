export { CallError } from './explain/call.ts'
export { costOf, estimateCost, listPrices, type Prices, type Usage } from './explain/cost.ts'
export {
  EXPLAIN_DEFAULTS,
  type ExplainEvent,
  type ExplainOptions,
  type ExplainSummary,
  explainLatents,
} from './explain/explain.ts'
export { explainPrompt } from './explain/prompts.ts'
export { type WordBackground, wordBackground } from './lexical/background.ts'
export {
  LEXICAL_AUTHOR,
  type LexicalLabel,
  type LexicalOptions,
  lexicalLabel,
} from './lexical/lexicalLabel.ts'
export * from './types.ts'
