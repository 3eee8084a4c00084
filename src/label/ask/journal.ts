/**
 * The record of every call, so that none is paid twice. A line before a call says that it is under way, a line after it what came
 * back; a call with the first alone was lost, and may have been paid.
 */
import { z } from 'zod'
import type { CallAnswer, Question, Usage } from './question.ts'

const UsageLine = z.object({ input_tokens: z.number(), output_tokens: z.number() })

/** One line of the journal. */
export const JournalLine = z.object({
  key: z.string(),
  /** ISO 8601 */
  at: z.string(),
  model: z.string(),
  purpose: z.string(),
  event: z.enum(['asked', 'answered', 'failed']),
  /** asked: what the call may use at most; answered: what it used, absent where the server does not count. */
  usage: UsageLine.optional(),
  text: z.string().optional(),
  complete: z.boolean().optional(),
  expected: z.array(z.object({ at: z.number(), value: z.number() })).optional(),
  error: z.string().optional(),
})

export type JournalLine = z.infer<typeof JournalLine>

export type Journal = {
  /** The answer that a call got before; undefined where there is none. */
  find(key: string): Promise<CallAnswer | undefined>
  /** Returns once the line is kept. */
  add(line: JournalLine): Promise<void>
  /** Calls of earlier runs that were under way when those ended, with what they may have used. */
  readonly lost: Usage & { readonly n_calls: number }
}

/** Keeps answers for as long as it lives. */
export function memoryJournal(): Journal {
  const answers = new Map<string, CallAnswer>()
  return {
    find: (key) => Promise.resolve(answers.get(key)),
    async add(line) {
      const answer = answerOf(line)
      if (answer) answers.set(line.key, answer)
    },
    lost: { n_calls: 0, input_tokens: 0, output_tokens: 0 },
  }
}

/** The answer in a line; undefined where it tells of something else. */
export function answerOf(line: JournalLine): CallAnswer | undefined {
  if (line.event !== 'answered' || line.text === undefined) return undefined
  return {
    text: line.text,
    complete: line.complete ?? true,
    usage: line.usage,
    ...(line.expected ? { expected: line.expected } : {}),
  }
}

/** Names a call by all that decides its answer: server, model, messages and settings. 32 hex digits of SHA-256. */
export async function keyOf(
  question: Question,
  asked: { url: string; model: string; embedding_model?: string | undefined },
): Promise<string> {
  const content =
    question.kind === 'chat'
      ? [
          asked.url,
          asked.model,
          question.system,
          question.user,
          question.max_output_tokens,
          question.schema !== undefined,
          question.odds ?? false,
        ]
      : [asked.url, asked.embedding_model, question.query, question.texts]
  const bytes = new TextEncoder().encode(JSON.stringify(content))
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
