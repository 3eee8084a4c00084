/** The contrastive explainer: what the explainer by contexts shows, and texts that look alike on which the latent is silent. */
import { markedText, numbered, pieceOf } from '../examples/text.ts'
import { ANSWER, type Explainer, markedSections, tokenSections } from './prompt.ts'

const SYSTEM = `You name detectors found inside a small language model. A detector fires on some tokens of a text and stays silent on all others. You are shown texts in which it fires, with the tokens it fires on between << and >>, and near misses: texts that look alike and in which it stays silent everywhere. In a near miss [[ ]] holds the token that makes it look alike: one on which the detector fires elsewhere, or one that excites a detector much like it.

Find what separates the first from the second. A name that fits the near misses as well is too wide. A name that leaves out texts in which it fires is too narrow. Consider the marked tokens themselves, what stands before them, what follows, and the subject of the texts.

${ANSWER}`

export const contrastive: Explainer = (shown) => {
  if (!shown.examples.some((e) => e.interval === 0)) return undefined
  const piece = pieceOf(shown.pieces)
  const misses = shown.near_misses.map(({ example }) =>
    markedText(example, (at) => at === example.peak, piece, ['[[', ']]']),
  )
  const sections = [
    ...markedSections(shown),
    ...(misses.length === 0 ? [] : [`Near misses, where it is silent:\n${numbered(misses)}`]),
    ...tokenSections(shown),
  ]
  return { system: SYSTEM, user: sections.join('\n\n') }
}
