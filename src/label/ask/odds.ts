/** Numbers in an answer as their expectation over what the model might have said instead. */
import { z } from 'zod'
import type { CallAnswer } from './question.ts'

const HIGHEST = 10

const Alternative = z.object({ token: z.string(), logprob: z.number() })
const Tokens = z.array(Alternative.extend({ top_logprobs: z.array(Alternative) }))

/**
 * Of every token of the answer that is a whole number 0 to 10 by itself: its place in the text and `sum n p(n) / sum p(n)` over the
 * alternatives that are such numbers too.
 * @param logprobs as OpenAI's protocol gives them; undefined is returned for anything else, or where they are not this text's.
 */
export function expectedNumbers(logprobs: unknown, text: string): CallAnswer['expected'] {
  const parsed = Tokens.safeParse(logprobs)
  if (!parsed.success || parsed.data.map(({ token }) => token).join('') !== text) return undefined
  let at = 0
  const found: { at: number; value: number }[] = []
  for (const { token, top_logprobs } of parsed.data) {
    if (numberOf(token) !== undefined) {
      let mass = 0
      let sum = 0
      for (const other of top_logprobs) {
        const n = numberOf(other.token)
        if (n === undefined) continue
        mass += Math.exp(other.logprob)
        sum += n * Math.exp(other.logprob)
      }
      if (mass > 0) found.push({ at: at + token.search(/\d/), value: sum / mass })
    }
    at += token.length
  }
  return found
}

function numberOf(token: string): number | undefined {
  const [, digits] = /^\s*(\d+)\s*$/.exec(token) ?? []
  return digits !== undefined && Number(digits) <= HIGHEST ? Number(digits) : undefined
}
