/**
 * Asks language models, side by side and within a budget.
 *
 * 1. A question that the journal holds an answer to is not asked again.
 * 2. Before a call its highest possible cost is reserved; where it would pass the cap, it waits for those under way, which may
 *    turn out cheaper, and where there are none it is refused.
 * 3. The journal notes that the call begins; a 429 or 5xx is repeated after the time that the server names, or after doubling
 *    pauses; the journal notes the answer before anybody sees it.
 */
import { openBudget } from './budget.ts'
import { CallError, openCaller } from './call.ts'
import { highestUsage, type Prices } from './cost.ts'
import { type Journal, keyOf, memoryJournal } from './journal.ts'
import { persist } from './persist.ts'
import { type Endpoint, knownPrices, urlOf } from './providers.ts'
import type { CallAnswer, Question, Usage } from './question.ts'

export const ASK_DEFAULTS = {
  concurrency: 4,
  retries: 5,
  first_delay_ms: 1000,
  timeout_ms: 60_000,
} as const

export type AskerOptions = Endpoint & {
  /** Default: the list price of the model at its provider; unknown elsewhere, and then no cost is told. */
  readonly prices?: Prices | undefined
  /** Dollars that may be spent at most. */
  readonly max_cost?: number | undefined
  /** Calls under way at once. */
  readonly concurrency?: number | undefined
  /** Further attempts after the first. */
  readonly retries?: number | undefined
  /** Pause before the first further attempt; doubled each time, and never shorter than the server's Retry-After. */
  readonly first_delay_ms?: number | undefined
  readonly timeout_ms?: number | undefined
  /** Default: forgotten with the asker. */
  readonly journal?: Journal | undefined
  readonly signal?: AbortSignal | undefined
}

/** The next call could pass the cap. */
export class CapError extends Error {
  constructor(max_cost: number) {
    super(`a further call could pass the cap of $${max_cost}`)
    this.name = 'CapError'
  }
}

/** What was used by this asker's own calls. Dollars are absent where prices are not known; lost calls count at their highest. */
export type Spent = Usage & {
  readonly cost?: number
  readonly n_calls: number
  /** Answers that the journal held. */
  readonly n_remembered: number
}

export type Asker = {
  readonly model: string
  readonly concurrency: number
  readonly prices: Prices | undefined
  /**
   * One answer.
   * @throws CallError where there is none; after a fatal one every question of its kind meets the same. CapError at the cap; the signal's
   * reason when aborted. Messages never hold the key.
   */
  ask(question: Question): Promise<CallAnswer>
  spent(): Spent
}

/**
 * Opens an asker.
 * @throws RangeError for a cap without prices; TypeError for a base URL that is none.
 */
export async function openAsker(options: AskerOptions): Promise<Asker> {
  const settings = {
    retries: options.retries ?? ASK_DEFAULTS.retries,
    first_delay_ms: options.first_delay_ms ?? ASK_DEFAULTS.first_delay_ms,
    timeout_ms: options.timeout_ms ?? ASK_DEFAULTS.timeout_ms,
  }
  const { model, max_cost, embedding_model, journal = memoryJournal() } = options
  const concurrency = options.concurrency ?? ASK_DEFAULTS.concurrency
  const signal = options.signal ?? new AbortController().signal
  const prices = options.prices ?? knownPrices(options)
  if (max_cost !== undefined && prices === undefined)
    throw new RangeError(
      `openAsker: a cap of $${max_cost} was given, but the prices of ${model} at ${new URL(urlOf(options)).host} are not known. Give them in dollars per million tokens.`,
    )
  const call = await openCaller({ ...options, ...settings })
  const budget = openBudget(prices, max_cost)
  const patience = { until_ms: 0 }
  const under_way = new Map<string, Promise<CallAnswer>>()
  const n = { running: 0, calls: 0, remembered: 0 }
  /** What every further question of the kind meets: chats and embeddings are two models. */
  const fatal = new Map<Question['kind'], CallError>()
  let waiting: (() => void)[] = []

  /** A place among those under way, taken at once, and the money for one call. */
  const reserve = async (kind: Question['kind'], highest: Usage) => {
    for (;;) {
      signal.throwIfAborted()
      const refused = fatal.get(kind)
      if (refused) throw refused
      const reserved = n.running < concurrency ? budget.reserve(highest) : undefined
      if (reserved) {
        n.running++
        return reserved
      }
      if (n.running === 0) throw new CapError(max_cost ?? 0)
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }

  const pay = async (question: Question, key: string): Promise<CallAnswer> => {
    const highest = highestUsage(question)
    const reserved = await reserve(question.kind, highest)
    try {
      const line = () => ({
        key,
        at: new Date().toISOString(),
        model: question.kind === 'chat' ? model : (embedding_model ?? ''),
        purpose: question.purpose,
      })
      await journal.add({ ...line(), event: 'asked', usage: highest }).catch((error: unknown) => {
        reserved.release()
        throw error
      })
      const attempt = () => call(question, signal)
      const { answer, error } = await persist(attempt, settings, patience, reserved, signal)
      n.calls++
      if (answer) {
        const { text, complete, usage, expected } = answer
        await journal.add({
          ...line(),
          event: 'answered',
          text,
          complete,
          ...(usage ? { usage } : {}),
          ...(expected ? { expected: [...expected] } : {}),
        })
        return answer
      }
      if (error instanceof CallError) {
        await journal.add({ ...line(), event: 'failed', error: error.message })
        if (error.fatal) fatal.set(question.kind, error)
      }
      throw error
    } finally {
      n.running--
      const woken = waiting
      waiting = []
      for (const wake of woken) wake()
    }
  }

  const url = urlOf(options)
  return {
    model,
    concurrency,
    prices,
    async ask(question) {
      signal.throwIfAborted()
      const key = await keyOf(question, { url, model, embedding_model })
      const same = under_way.get(key)
      if (same) return same
      const answer = journal.find(key).then((known) => {
        if (!known) return pay(question, key)
        n.remembered++
        return known
      })
      under_way.set(key, answer)
      try {
        return await answer
      } finally {
        under_way.delete(key)
      }
    },
    spent: () => ({ ...budget.spent(), n_calls: n.calls, n_remembered: n.remembered }),
  }
}
