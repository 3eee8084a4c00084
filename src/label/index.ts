export { type WordBackground, wordBackground } from './lexical/background.ts'
export {
  LEXICAL_AUTHOR,
  type LexicalLabel,
  type LexicalOptions,
  lexicalLabel,
} from './lexical/lexicalLabel.ts'
export * from './types.ts'
