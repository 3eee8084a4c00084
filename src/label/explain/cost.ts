/** What a labelling costs: an estimate before, an upper bound for the cap, the truth after. */
import type { LatentRecord } from '../../latents/index.ts'
import { explainPrompt, type Prompt, type PromptOptions } from './prompts.ts'

/** Dollars per million tokens. */
export type Prices = { readonly input: number; readonly output: number }

export type Usage = { readonly input_tokens: number; readonly output_tokens: number }

/** Longest answer that is paid for, in tokens. */
export const MAX_OUTPUT_TOKENS = 120
/** An answer as asked for is about this long. */
const USUAL_OUTPUT_TOKENS = 25

/** List prices of models often used for this, written down by hand and never fetched: give your own where they differ. */
const LIST_PRICES: Readonly<Record<string, Prices>> = {
  'gpt-4o-mini': { input: 0.15, output: 0.6 },
  'gpt-4o': { input: 2.5, output: 10 },
  'gpt-4.1': { input: 2, output: 8 },
  'gpt-4.1-mini': { input: 0.4, output: 1.6 },
  'gpt-4.1-nano': { input: 0.1, output: 0.4 },
}

/** The list price of an OpenAI model, also of a dated version (`gpt-4o-mini-2024-07-18`); undefined where it is not known. */
export function listPrices(model: string): Prices | undefined {
  return LIST_PRICES[model.replace(/-\d{4}-\d{2}-\d{2}$/, '')]
}

/** `(input_tokens input + output_tokens output) / 10^6`, in dollars. */
export function costOf(usage: Usage, prices: Prices): number {
  return (usage.input_tokens * prices.input + usage.output_tokens * prices.output) / 1e6
}

/** Tokens of a prompt: 4 bytes each, as English is. @param bytes_per_token 2 gives an upper bound that other scripts keep. */
export function promptTokens(prompt: Prompt, bytes_per_token = 4): number {
  return (
    Math.ceil(new TextEncoder().encode(prompt.system + prompt.user).length / bytes_per_token) + 20
  )
}

/**
 * What labelling would use and cost, judged from `sample` and scaled to n_latents. An estimate: other tokenizers count otherwise.
 * @returns cost in dollars, absent where the prices are not known.
 */
export function estimateCost(
  sample: Iterable<LatentRecord>,
  options: PromptOptions & { n_latents?: number; model?: string; prices?: Prices | undefined },
): Usage & { n_latents: number; cost?: number } {
  let n_sampled = 0
  let tokens = 0
  for (const record of sample) {
    const prompt = explainPrompt(record, options)
    if (!prompt) continue
    n_sampled++
    tokens += promptTokens(prompt)
  }
  const n_latents = options.n_latents ?? n_sampled
  const usage = {
    input_tokens: n_sampled === 0 ? 0 : Math.ceil((tokens / n_sampled) * n_latents),
    output_tokens: n_latents * USUAL_OUTPUT_TOKENS,
  }
  const prices = options.prices ?? listPrices(options.model ?? '')
  return { n_latents, ...usage, ...(prices ? { cost: costOf(usage, prices) } : {}) }
}
