/**
 * A lexical label held against texts by what it names, without a language model: a text is said to hold what the label says where
 * one of its tokens meets the label's own claim. Free, and the same each time.
 */
import type { LatentExample } from '../../latents/index.ts'
import { clauseHolds, type LexicalClaim } from '../lexical/claim.ts'
import { observeAll } from '../lexical/observe.ts'
import { balancedAccuracy } from './measures.ts'
import type { Scorer } from './types.ts'
import { lacking } from './yesOrNo.ts'

/** Whether the claim holds at a token of the text. */
export const predicts = (
  claim: LexicalClaim,
  text: LatentExample,
  pieces: readonly string[],
): boolean =>
  observeAll(text, pieces).some((o) => claim.some((clause) => clauseHolds(clause, o, pieces)))

/** Detection with the claim itself as the judge; asks nothing. */
export const lexical: Scorer = (subject) => {
  const { claim, pieces, material } = subject
  if (claim === undefined)
    return { lacks: 'its claim is not known: only lexical labels have one. Run hooke label again.' }
  const few = lacking(subject)
  if (few) return few
  const { positives, negatives } = material
  return {
    asked: [],
    measure() {
      const said = [...positives, ...negatives].map((text) => predicts(claim, text, pieces))
      const truth = [...positives.map(() => true), ...negatives.map(() => false)]
      const { value, low, high } = balancedAccuracy(said, truth)
      return { value, low, high, measure: 'balanced accuracy', chance: 0.5, n: truth.length }
    },
  }
}
