/** Embedding: does the label lie nearer to the texts on which the latent fires than to the others? AUC of the cosine. */
import { z } from 'zod'
import { pieceOf, plainText } from '../examples/text.ts'
import { areaUnderCurve } from './measures.ts'
import type { Scorer } from './types.ts'
import { lacking } from './yesOrNo.ts'

const Cosines = z.array(z.number())

export const embedding: Scorer = (subject) => {
  const few = lacking(subject)
  if (few) return few
  const piece = pieceOf(subject.pieces)
  const { positives, negatives } = subject.material
  const texts = [...positives, ...negatives].map((e) => plainText(e, piece))
  return {
    asked: [
      {
        question: {
          kind: 'similarity',
          purpose: `embedding ${subject.name}`,
          query: subject.label,
          texts,
        },
        read({ text }) {
          const cosines = Cosines.parse(JSON.parse(text))
          if (cosines.length === texts.length) return cosines
          throw new Error(`the server embedded ${cosines.length} of ${texts.length} texts`)
        },
      },
    ],
    measure: ([cosines = []]) => ({
      ...areaUnderCurve(
        cosines,
        texts.map((_, i) => i < positives.length),
      ),
      measure: 'AUC',
      chance: 0.5,
      n: texts.length,
    }),
  }
}
