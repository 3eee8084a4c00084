/** What calls cost: an estimate before, an upper bound for the cap, the truth after. */
import type { Question, Usage } from './question.ts'

/** Dollars per million tokens. */
export type Prices = { readonly input: number; readonly output: number }

/** List prices of models often used for this, written down by hand and never fetched: give your own where they differ. */
const LIST_PRICES: Readonly<Record<string, Prices>> = {
  'gpt-4o-mini': { input: 0.15, output: 0.6 },
  'gpt-4o': { input: 2.5, output: 10 },
  'gpt-4.1': { input: 2, output: 8 },
  'gpt-4.1-mini': { input: 0.4, output: 1.6 },
  'gpt-4.1-nano': { input: 0.1, output: 0.4 },
  'claude-haiku-4-5': { input: 1, output: 5 },
  'claude-sonnet-4-5': { input: 3, output: 15 },
  'gemini-2.5-flash-lite': { input: 0.1, output: 0.4 },
  'gemini-2.5-flash': { input: 0.3, output: 2.5 },
}

/** The list price of a model, also of a dated version (`gpt-4o-mini-2024-07-18`); undefined where it is not known. */
export function listPrices(model: string): Prices | undefined {
  return LIST_PRICES[model.replace(/-(\d{4}-\d{2}-\d{2}|20\d{6})$/, '')]
}

/** `(input_tokens input + output_tokens output) / 10^6`, in dollars. */
export function costOf(usage: Usage, prices: Prices): number {
  return (usage.input_tokens * prices.input + usage.output_tokens * prices.output) / 1e6
}

/** Tokens of what is sent: 4 bytes each, as English is. @param bytes_per_token 2 gives an upper bound that other scripts keep. */
function sentTokens(question: Question, bytes_per_token = 4): number {
  const sent =
    question.kind === 'chat'
      ? question.system + question.user + (question.schema ? ' '.repeat(400) : '')
      : question.query + question.texts.join('')
  return Math.ceil(new TextEncoder().encode(sent).length / bytes_per_token) + 20
}

/** What a question uses at most. */
export const highestUsage = (question: Question): Usage => ({
  input_tokens: sentTokens(question, 2),
  output_tokens: question.kind === 'chat' ? question.max_output_tokens : 0,
})

/** What a question uses as a rule. An estimate: other tokenizers count otherwise. */
const usualUsage = (question: Question): Usage => ({
  input_tokens: sentTokens(question),
  output_tokens: question.kind === 'chat' ? question.usual_output_tokens : 0,
})

/**
 * What asking would use and cost, judged from the questions about `n_sampled` things and scaled to `n`.
 * @returns cost in dollars, absent where the prices are not known.
 */
export function estimateCost(
  questions: Iterable<Question>,
  { n_sampled, n, prices }: { n_sampled: number; n: number; prices?: Prices | undefined },
): Usage & { cost?: number } {
  const total = { input_tokens: 0, output_tokens: 0 }
  for (const question of questions) {
    const { input_tokens, output_tokens } = usualUsage(question)
    total.input_tokens += input_tokens
    total.output_tokens += output_tokens
  }
  const scale = n_sampled === 0 ? 0 : n / n_sampled
  const usage = {
    input_tokens: Math.ceil(total.input_tokens * scale),
    output_tokens: Math.ceil(total.output_tokens * scale),
  }
  return { ...usage, ...(prices ? { cost: costOf(usage, prices) } : {}) }
}
