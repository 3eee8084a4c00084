/**
 * Labels by a language model behind any OpenAI-compatible server.
 *
 * 1. Latents are taken one by one; those that need no call (already labelled, dead) are counted and left out.
 * 2. Before a call its highest possible cost is reserved; where it would pass the cap, no further call is made.
 * 3. Calls run side by side; a 429 or 5xx is repeated after the time that the server names, or after doubling pauses.
 * 4. Each answer is read strictly and handed out at once; one that cannot be read leaves no label and is reported.
 * 5. The last event says what was used and what it cost.
 */
import type { LatentRecord } from '../../latents/index.ts'
import { openBudget } from './budget.ts'
import { CallError, openCaller } from './call.ts'
import { listPrices, MAX_OUTPUT_TOKENS, type Prices, type Usage } from './cost.ts'
import { type Outcome, persist } from './persist.ts'
import { explainPrompt, type Prompt, type PromptOptions, parseAnswer } from './prompts.ts'

export const EXPLAIN_DEFAULTS = {
  base_url: 'https://api.openai.com/v1',
  model: 'gpt-4o-mini',
  concurrency: 4,
  retries: 5,
  first_delay_ms: 1000,
  timeout_ms: 60_000,
} as const

export type ExplainOptions = PromptOptions & {
  /** Any OpenAI-compatible server. */
  readonly base_url?: string
  /** Left out for servers that need none. */
  readonly api_key?: string | undefined
  readonly model?: string
  /** Default: the list price of the model at OpenAI; unknown elsewhere, and then no cost is told. */
  readonly prices?: Prices | undefined
  /** Dollars that this run may cost at most. @throws at the start where the prices are not known. */
  readonly max_cost?: number | undefined
  /** Calls under way at once. */
  readonly concurrency?: number
  /** Further attempts after the first. */
  readonly retries?: number
  /** Pause before the first further attempt; doubled each time, and never shorter than the server's Retry-After. */
  readonly first_delay_ms?: number
  readonly timeout_ms?: number
  /** Latents that have their label already: a run that goes on pays nothing twice. */
  readonly skip?: (latent: number) => boolean
  readonly signal?: AbortSignal | undefined
}

export type ExplainEvent =
  | {
      readonly type: 'label'
      readonly latent: number
      readonly text: string
      readonly method: 'llm'
      /** The language model's id. */
      readonly author: string
      readonly evidence: string
    }
  | { readonly type: 'failed'; readonly latent: number; readonly error: string }
  | ExplainSummary

export type ExplainSummary = Usage & {
  readonly type: 'done'
  readonly n_labelled: number
  readonly n_failed: number
  /** Had a label, or never fire. */
  readonly n_skipped: number
  /** Dollars, with calls whose answer was lost counted at their highest; absent where the prices are not known. */
  readonly cost?: number
  /** Why it ended before the last latent. */
  readonly stopped?: 'max_cost'
}

/**
 * Labels latents, yielding each result as soon as it is there (not in order) and a summary at the end. Leaving the loop ends the calls.
 * @throws CallError when the server refuses the key or does not know the model, after the results that came before;
 * RangeError for a cap without prices; the signal's reason when aborted. Messages never hold the key.
 */
export async function* explainLatents(
  records: Iterable<LatentRecord> | AsyncIterable<LatentRecord>,
  options: ExplainOptions,
): AsyncGenerator<ExplainEvent, void, void> {
  const settings = { ...EXPLAIN_DEFAULTS, ...dropUndefined(options) }
  const { model, concurrency, max_cost, base_url } = settings
  const prices =
    settings.prices ?? (base_url === EXPLAIN_DEFAULTS.base_url ? listPrices(model) : undefined)
  if (max_cost !== undefined && prices === undefined)
    throw new RangeError(
      `explainLatents: a cap of $${max_cost} was given, but the prices of ${model} at ${new URL(base_url).host} are not known. Give them in dollars per million tokens.`,
    )
  const ask = await openCaller(settings)
  const stop = new AbortController()
  const signal = settings.signal ? AbortSignal.any([settings.signal, stop.signal]) : stop.signal
  signal.throwIfAborted()

  const source =
    Symbol.asyncIterator in records ? records[Symbol.asyncIterator]() : records[Symbol.iterator]()
  const budget = openBudget(prices, max_cost)
  const patience = { until_ms: 0 }
  const running = new Map<number, Promise<{ latent: number; outcome: Outcome }>>()
  const n = { labelled: 0, failed: 0, skipped: 0 }
  let ended = false
  let stopped = false
  /** A prompt that the cap held back while others were under way: they may turn out cheaper than reserved. */
  let waiting: { latent: number; prompt: Prompt } | undefined
  try {
    for (;;) {
      while (!ended && !stopped && running.size < concurrency) {
        if (!waiting) {
          const next = await source.next()
          if (next.done) {
            ended = true
            break
          }
          const record = next.value
          const prompt = settings.skip?.(record.index) ? undefined : explainPrompt(record, settings)
          if (!prompt) {
            n.skipped++
            continue
          }
          waiting = { latent: record.index, prompt }
        }
        const { latent, prompt } = waiting
        const reserved = budget.reserve(prompt)
        if (!reserved) {
          if (running.size === 0) stopped = true
          break
        }
        waiting = undefined
        const call = persist(() => ask(prompt, signal), settings, patience, reserved, signal)
        running.set(
          latent,
          call.then((outcome) => ({ latent, outcome })),
        )
      }
      if (running.size === 0) break
      const { latent, outcome } = await Promise.race(running.values())
      running.delete(latent)
      signal.throwIfAborted()
      if (outcome.error instanceof CallError && outcome.error.fatal) throw outcome.error
      const read = readOutcome(outcome)
      if ('text' in read) {
        n.labelled++
        yield { type: 'label', latent, method: 'llm', author: model, ...read }
      } else {
        n.failed++
        yield { type: 'failed', latent, error: read.error }
      }
    }
    yield {
      type: 'done',
      n_labelled: n.labelled,
      n_failed: n.failed,
      n_skipped: n.skipped,
      ...budget.spent(),
      ...(stopped ? { stopped: 'max_cost' } : {}),
    }
  } finally {
    stop.abort()
    await Promise.allSettled(running.values())
    await source.return?.()
  }
}

function readOutcome({
  answer,
  error,
}: Outcome): { text: string; evidence: string } | { error: string } {
  if (!answer) return { error: error instanceof Error ? error.message : String(error) }
  if (!answer.complete)
    return { error: `the answer was cut after ${MAX_OUTPUT_TOKENS} tokens, expected a short label` }
  try {
    const text = parseAnswer(answer.text)
    if (text === null) return { error: 'the language model sees no pattern in the examples' }
    return {
      text,
      evidence:
        'top examples with marked tokens, next tokens and raised tokens, read by a language model',
    }
  } catch (cause) {
    return { error: cause instanceof Error ? cause.message : String(cause) }
  }
}

function dropUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
