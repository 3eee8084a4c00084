/** Detection: in which of these texts does the latent fire, by the label alone? */
import { pieceOf, plainText } from '../examples/text.ts'
import type { Scorer } from './types.ts'
import { type Item, lacking, yesOrNo } from './yesOrNo.ts'

const SYSTEM = `A detector inside a language model fires on some texts. You are given a description of what it fires on, which may be right or wrong, and some short texts cut out of longer ones. Take the description at its word. For each text say 1 if anything in it is what the description says, and 0 if nothing is. For a description that begins with "before", look for a place in the text after which that comes or could well come.

Answer with one JSON object and nothing else: {"answers": [...]}, one number for each text, in order.`

export const detection: Scorer = (subject) => {
  const few = lacking(subject)
  if (few) return few
  const piece = pieceOf(subject.pieces)
  const { positives, negatives } = subject.material
  const items: Item[] = [
    ...positives.map((e) => ({ text: plainText(e, piece), truth: true })),
    ...negatives.map((e) => ({ text: plainText(e, piece), truth: false })),
  ]
  return yesOrNo(subject, items, 'detection', SYSTEM)
}
