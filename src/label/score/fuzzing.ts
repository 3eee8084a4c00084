/**
 * Fuzzing: are the marked tokens those of which the label speaks?
 *
 * Half of the wrong marks stand in texts on which the latent is silent, half on other tokens of texts on which it fires: only a label
 * that says on which tokens it fires tells the latter.
 */
import type { LatentExample } from '../../latents/index.ts'
import { pieceOf } from '../examples/text.ts'
import { canMislead, rightlyMarked, usualMarks, wronglyMarked } from './marks.ts'
import type { Scorer } from './types.ts'
import { type Item, lacking, yesOrNo } from './yesOrNo.ts'

const SYSTEM = `A detector inside a language model fires on some tokens. You are given a description of what it fires on, which may be right or wrong, and some short texts in which tokens are marked with << and >>. Take the description at its word. For each text say 1 if the marked tokens are what the description says, and 0 if they are not, whatever else the text holds. For a description that begins with "before", the marked tokens must stand right before it.

Answer with one JSON object and nothing else: {"answers": [...]}, one number for each text, in order.`

export const fuzzing: Scorer = (subject) => {
  const few = lacking(subject)
  if (few) return few
  const piece = pieceOf(subject.pieces)
  const { positives, negatives } = subject.material
  const n = usualMarks(positives)
  const misleading = (e: LatentExample) => canMislead(e, piece)
  const silent = negatives.filter(misleading).slice(0, Math.ceil(positives.length / 2))
  const firing = positives.filter(misleading).slice(0, positives.length - silent.length)
  const items: Item[] = [
    ...positives.map((e) => ({ text: rightlyMarked(e, piece), truth: true })),
    ...[...silent, ...firing].map((e) => ({ text: wronglyMarked(e, n, piece), truth: false })),
  ]
  return yesOrNo(subject, items, 'fuzzing', SYSTEM)
}
