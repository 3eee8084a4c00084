/** Questions that show a few texts and want 1 or 0 for each. */
import { z } from 'zod'
import type { ChatQuestion } from '../ask/question.ts'
import { shuffle } from '../examples/material.ts'
import { numbered } from '../examples/text.ts'
import { excerpt, parseObject } from '../explain/prompt.ts'
import { balancedAccuracy } from './measures.ts'
import type { Lacking, Plan, Subject } from './types.ts'

/** Texts of one question. */
const BATCH = 5
/** Fewer of a kind say next to nothing. */
export const LEAST_EXAMPLES = 5

/** A text and whether the right answer is 1. */
export type Item = { readonly text: string; readonly truth: boolean }

const Answers = z.object({ answers: z.array(z.int().min(0).max(1)) })

/** Shows the items in an order of no meaning, a few at a time; balanced accuracy over all of them. */
export function yesOrNo(subject: Subject, items: readonly Item[], scorer: string, system: string) {
  const order = shuffle([...items], subject.record.index)
  const batches = Array.from({ length: Math.ceil(order.length / BATCH) }, (_, i) =>
    order.slice(i * BATCH, (i + 1) * BATCH),
  )
  return {
    asked: batches.map((batch) => ({
      question: chat(subject, scorer, {
        system,
        user: `Description: ${subject.label}\n\nTexts:\n${numbered(batch.map(({ text }) => text))}`,
        usual_output_tokens: 12 + 2 * batch.length,
        schema: Answers,
      }),
      read({ text }) {
        const { answers } = Answers.parse(parseObject(text))
        if (answers.length !== batch.length)
          throw new Error(
            `answer ${excerpt(text)} has ${answers.length} numbers, expected ${batch.length}`,
          )
        return answers
      },
    })),
    measure(answers) {
      const said = answers.flat().map((answer) => answer === 1)
      const truth = order.map((item) => item.truth)
      const { value, low, high } = balancedAccuracy(said, truth)
      return { value, low, high, measure: 'balanced accuracy', chance: 0.5, n: order.length }
    },
  } satisfies Plan
}

/** A question of a scorer; an answer may be four times as long as usual before it is cut. All that may be thought is reckoned as thought. */
export function chat(
  { name, thinking_tokens }: Subject,
  scorer: string,
  question: Pick<ChatQuestion, 'system' | 'user' | 'usual_output_tokens'> & Partial<ChatQuestion>,
): ChatQuestion {
  return {
    kind: 'chat',
    purpose: `${scorer} ${name}`,
    max_output_tokens: 4 * question.usual_output_tokens + thinking_tokens,
    ...question,
    usual_output_tokens: question.usual_output_tokens + thinking_tokens,
  }
}

/** Why there are not enough texts; undefined where there are. */
export function lacking({ material: { positives, negatives } }: Subject): Lacking | undefined {
  const [n_on, n_off] = [positives.length, negatives.length]
  if (n_off < LEAST_EXAMPLES)
    return {
      lacks: `fires nearly everywhere: ${n_off} texts were found on which it is silent, expected ${LEAST_EXAMPLES}`,
    }
  if (n_on < LEAST_EXAMPLES)
    return {
      lacks: `fires on ${n_on} texts that its maker has not seen, expected ${LEAST_EXAMPLES}. More text may hold them (hooke score --tokens, --data).`,
    }
  return undefined
}
