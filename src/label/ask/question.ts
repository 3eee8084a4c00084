/** What is asked of a language model or of an embedding model, and what comes back. */
import type { z } from 'zod'

/** The two messages of a call. */
export type Prompt = { readonly system: string; readonly user: string }

export type Usage = { readonly input_tokens: number; readonly output_tokens: number }

/** One call of a language model. */
export type ChatQuestion = Prompt & {
  readonly kind: 'chat'
  /** What it is for, as the journal keeps it: `detection blocks.3.hook_resid_post/17`. */
  readonly purpose: string
  /** Longest answer that is paid for. */
  readonly max_output_tokens: number
  /** About how long an answer as asked for is. */
  readonly usual_output_tokens: number
  /** The answer's shape, for servers that hold a model to one. */
  readonly schema?: z.ZodType
  /** Wants the odds of each number in the answer, where the server tells them. */
  readonly odds?: true
}

/** One call of an embedding model: the cosine of a query with each text. */
export type SimilarityQuestion = {
  readonly kind: 'similarity'
  readonly purpose: string
  readonly query: string
  readonly texts: readonly string[]
}

export type Question = ChatQuestion | SimilarityQuestion

export type CallAnswer = {
  /** Of a similarity question its cosines as JSON. */
  readonly text: string
  /** False where it was cut at its longest. */
  readonly complete: boolean
  /** Absent where the server does not count. */
  readonly usage: Usage | undefined
  /** Where the server tells odds: for each whole number 0 to 10 that is one token of the answer its place in `text` and `sum n p(n) / sum p(n)`. */
  readonly expected?: readonly { at: number; value: number }[]
}
