/**
 * Intruder: among marked texts, which is the one whose marks do not belong? It asks nothing of the label: it says whether the latent's
 * own texts have something in common that a reader can see, which bounds what any label can reach.
 */
import { z } from 'zod'
import { hash32 } from '../../activations/index.ts'
import { shuffle } from '../examples/material.ts'
import { numbered, pieceOf } from '../examples/text.ts'
import { parseObject } from '../explain/prompt.ts'
import { canMislead, rightlyMarked, usualMarks, wronglyMarked } from './marks.ts'
import { shareOf } from './measures.ts'
import type { Scorer } from './types.ts'
import { chat, lacking } from './yesOrNo.ts'

const N_TEXTS = 5
const N_ROUNDS = 10

const SYSTEM = `You are shown ${N_TEXTS} short texts with tokens marked by << and >>. In all but one of them the marked tokens have something in common: what they are, where they stand, or what they speak of. In one, the intruder, other tokens are marked. Find the intruder.

Answer with one JSON object and nothing else: {"intruder": n}, n the number of its text.`

const Answer = z.object({ intruder: z.int().min(1).max(N_TEXTS) })

export const intruder: Scorer = (subject) => {
  const few = lacking(subject)
  if (few) return few
  const piece = pieceOf(subject.pieces)
  const { positives, negatives } = subject.material
  const n_marks = usualMarks(positives)
  const strangers = negatives.filter((e) => canMislead(e, piece)).slice(0, N_ROUNDS)
  const rounds = strangers.map((stranger, round) => {
    const texts = shuffle([...positives], hash32(subject.record.index ^ hash32(round)))
      .slice(0, N_TEXTS - 1)
      .map((e) => rightlyMarked(e, piece))
    const place = hash32(round ^ hash32(subject.record.index)) % N_TEXTS
    texts.splice(place, 0, wronglyMarked(stranger, n_marks, piece))
    return { texts, place }
  })
  return {
    asked: rounds.map(({ texts }) => ({
      question: chat(subject, 'intruder', {
        system: SYSTEM,
        user: numbered(texts),
        usual_output_tokens: 10,
        schema: Answer,
      }),
      read: ({ text }) => [Answer.parse(parseObject(text)).intruder],
    })),
    measure(answers) {
      const n_found = rounds.filter(({ place }, i) => answers[i]?.[0] === place + 1).length
      const n = rounds.length
      return { ...shareOf(n_found, n), measure: 'accuracy', chance: 1 / N_TEXTS, n }
    },
  }
}
