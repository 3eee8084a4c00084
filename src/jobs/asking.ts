/** Who is asked about the labels of a suite, and for how much at most: plain JSON without the key, which stays in the environment. */
import { join } from 'node:path'
import { CALLS_FILE, openJournal } from '../label/disk.ts'
import {
  type Asker,
  costOf,
  knownPrices,
  openAsker,
  PROVIDERS,
  type Prices,
  type ProviderName,
  type Spent,
} from '../label/index.ts'

export type AskSettings = {
  readonly provider: ProviderName
  /** Default: the provider's own. */
  readonly base_url?: string | undefined
  readonly model: string
  readonly embedding_model?: string | undefined
  /** Absent where they are not known. */
  readonly prices?: Prices | undefined
  /** Dollars that one run may spend at most; absent where prices are not known. */
  readonly max_cost?: number | undefined
  readonly concurrency?: number | undefined
  /** Added to the longest answer, for models that think before they answer. */
  readonly thinking_tokens: number
}

/** Dollars that a run may spend where no cap was given. */
const UNASKED_COST = 1

/** Fills in the provider's usual models, list prices and the usual cap. */
export function settleAsking(
  wish: {
    readonly [K in keyof AskSettings]?: AskSettings[K] | undefined
  },
): AskSettings {
  const provider = wish.provider ?? (wish.base_url === undefined ? 'openai' : 'compatible')
  const model = wish.model ?? PROVIDERS[provider].model
  const embedding_model = wish.embedding_model ?? PROVIDERS[provider].embedding_model
  const prices = wish.prices ?? knownPrices({ provider, base_url: wish.base_url, model })
  const max_cost = wish.max_cost ?? (prices === undefined ? undefined : UNASKED_COST)
  const thinking_tokens = wish.thinking_tokens ?? 0
  return { ...wish, provider, model, embedding_model, prices, max_cost, thinking_tokens }
}

/** The first provider whose key the environment holds, as it usually is; undefined where there is none. */
export function askingFromEnvironment(): AskSettings | undefined {
  const providers = ['openai', 'anthropic', 'google'] as const
  const provider = providers.find((name) => process.env[PROVIDERS[name].key_env])
  return provider && settleAsking({ provider })
}

/** The environment's variable that a key is missing from; undefined where there is one, or none is needed. */
export function missingKey({ provider, base_url }: AskSettings): string | undefined {
  const { key_env } = PROVIDERS[provider]
  return key_env === undefined || base_url !== undefined || process.env[key_env]
    ? undefined
    : key_env
}

/**
 * Opens an asker with the journal beside the suite.
 * @returns with it what calls of earlier runs may have cost whose answers were lost, in words.
 * @throws Error where the key is missing; FileError where the journal cannot be written.
 */
export async function openSuiteAsker(
  settings: AskSettings,
  suite: string,
  signal: AbortSignal,
): Promise<{ asker: Asker; lost?: string }> {
  const missing = missingKey(settings)
  if (missing !== undefined)
    throw new Error(
      `${settings.provider} needs a key: set ${missing} in the environment of this program.`,
    )
  const journal = await openJournal(join(suite, CALLS_FILE))
  const { key_env } = PROVIDERS[settings.provider]
  const api_key = key_env === undefined ? undefined : process.env[key_env]
  const asker = await openAsker({ ...settings, api_key, journal, signal })
  const { n_calls, ...usage } = journal.lost
  if (n_calls === 0) return { asker }
  const cost = settings.prices
    ? `, and up to $${costOf(usage, settings.prices).toFixed(4)} may have been paid for them`
    : ''
  return {
    asker,
    lost: `${n_calls} calls were under way when an earlier run ended; their answers are lost${cost}`,
  }
}

/** What work that asks is given. */
export type AskingOptions = {
  readonly signal: AbortSignal
  /** Told how far it is, 0 to 1. */
  readonly onProgress: (message: string, share: number) => void
  /** Awaited between the pieces of work where it gives a promise. */
  readonly hold?: (() => Promise<void> | undefined) | undefined
  /** Told what calls of earlier runs may have cost whose answers were lost. */
  readonly onLost?: (what: string) => void
}

/** How work that asks ended. */
export type AskingEnd = {
  /** The cap kept it from asking more. */
  readonly capped: boolean
  /** Absent where nobody was asked. */
  readonly spent?: Spent
}
