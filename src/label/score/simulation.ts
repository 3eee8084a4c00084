/**
 * Simulation: how strongly would the latent fire on each token, by the label alone? Pearson's r between what is said and what is.
 * Where the server tells the odds of its tokens, each number is its expectation. Source: Bills et al. 2023.
 */
import { z } from 'zod'
import { pieceOf } from '../examples/text.ts'
import { excerpt, parseObject } from '../explain/prompt.ts'
import { correlation } from './measures.ts'
import type { Scorer } from './types.ts'
import { chat, lacking } from './yesOrNo.ts'

const N_FIRING = 8
const N_SILENT = 4
const HIGHEST = 10

const SYSTEM = `A detector inside a language model fires on some tokens of a text. You are given a description of what it fires on, which may be right or wrong, and a short text, one numbered token a line. Take the description at its word and say how strongly the detector would fire on each token: 0 is silent, ${HIGHEST} is the strongest. Most tokens are 0. The detector has read nothing that comes after a token.

Answer with one JSON object and nothing else: {"activations": [[1, 0], [2, 0], ...]}, for every token its number and its strength, in order.`

const Answer = z.object({ activations: z.array(z.array(z.int())) })

export const simulation: Scorer = (subject) => {
  const few = lacking(subject)
  if (few) return few
  const piece = pieceOf(subject.pieces)
  const { positives, negatives } = subject.material
  const texts = [...positives.slice(0, N_FIRING), ...negatives.slice(0, N_SILENT)]
  return {
    asked: texts.map(({ ids }) => ({
      question: chat(subject, 'simulation', {
        system: SYSTEM,
        user: `Description: ${subject.label}\n\nTokens:\n${Array.from(ids, (id, at) => `${at + 1}\t${piece(id).replaceAll('\n', '↵')}`).join('\n')}`,
        usual_output_tokens: 15 + 6 * ids.length,
        schema: Answer,
        odds: true,
      }),
      read: ({ text, expected }) => readActivations(text, ids.length, expected),
    })),
    measure(answers) {
      const pairs = texts.map(({ values }, i) => ({ truth: values, said: answers[i] ?? [] }))
      const found = correlation(pairs)
      return found && { ...found, measure: 'correlation', chance: 0, n: texts.length }
    },
  }
}

/**
 * The strength said of each token, or its expectation where that is known.
 * @throws Error where a token is missing, out of order, or its strength outside 0 to 10.
 */
export function readActivations(
  text: string,
  n_tokens: number,
  expected: readonly { at: number; value: number }[] = [],
): number[] {
  const { activations } = Answer.parse(parseObject(text))
  const is_whole =
    activations.length === n_tokens &&
    activations.every(
      ([n, act, ...more], i) =>
        n === i + 1 && act !== undefined && act >= 0 && act <= HIGHEST && more.length === 0,
    )
  if (!is_whole)
    throw new Error(
      `answer ${excerpt(text)} is no list of ${n_tokens} tokens in order, each with a strength from 0 to ${HIGHEST}`,
    )
  const odds = new Map(expected.map(({ at, value }) => [at, value]))
  // In this shape alone the i-th pair of the text is the i-th token: not where `5.0` stands for 5, or pairs stand elsewhere too.
  const places = [...text.matchAll(/\[\s*\d+\s*,\s*(\d+)\s*\]/dg)]
  if (places.length !== n_tokens) return activations.map(([, act]) => act!)
  return activations.map(([, act], i) => odds.get(places[i]!.indices![1]![0]) ?? act!)
}
