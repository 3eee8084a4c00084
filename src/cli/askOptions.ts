/** How a command asks language models: provider, prices, cap. Keys come from the environment only. */
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { Asker, Prices, ProviderName, Spent } from '../label/index.ts'
import { CliError } from './errors.ts'
import { realNumber, wholeNumber } from './options.ts'

export type AskFlags = {
  provider?: ProviderName
  baseUrl?: string
  model?: string
  embeddingModel?: string
  maxCost?: number
  priceIn?: number
  priceOut?: number
  concurrency?: number
  thinkingTokens: number
  estimate?: boolean
}

/** Dollars that may be spent without --max-cost. */
const UNASKED_COST = 1

const PROVIDER_NAMES: readonly ProviderName[] = [
  'openai',
  'anthropic',
  'google',
  'ollama',
  'compatible',
]

/** What --help says of keys and money. */
export const ASK_HELP =
  'Keys are read from OPENAI_API_KEY, ANTHROPIC_API_KEY or GOOGLE_GENERATIVE_AI_API_KEY. What it would cost is printed before the first call; more than $1 has to be allowed by --max-cost. Every call is kept in calls.jsonl beside the suite: the same command again goes on and pays for none twice.'

export function addAskOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--provider <name>',
        'who is asked (default: openai; compatible, with --base-url)',
      ).choices(PROVIDER_NAMES),
    )
    .option('--base-url <url>', "server to ask instead of the provider's own")
    .option('--model <id>', "language model (default: the provider's usual small one)")
    .option('--max-cost <dollars>', 'stop before this is spent', realNumber(0, 1e6))
    .option(
      '--price-in <dollars>',
      'per million input tokens, where the list price is not known',
      realNumber(0, 1e6),
    )
    .option('--price-out <dollars>', 'per million output tokens', realNumber(0, 1e6))
    .option('--concurrency <n>', 'calls under way at once', wholeNumber(1, 256))
    .option(
      '--thinking-tokens <n>',
      'added to the longest answer, for models that think before they answer',
      wholeNumber(0, 1e6),
      0,
    )
    .option('--estimate', 'print what it would cost, and stop')
    .option('--json', 'print results as JSON lines')
}

/** Who is asked, what it costs, and how to begin. */
export type Asking = {
  readonly model: string
  readonly embedding_model: string | undefined
  readonly prices: Prices | undefined
  /** Dollars; absent where prices are not known. */
  readonly max_cost: number | undefined
  /** Opens the journal beside the suite, and says what an earlier run may have lost. */
  open(suite: string, signal: AbortSignal): Promise<Asker>
}

/** @throws CliError where options do not go together or the key is missing. */
export async function askingOf(command: string, options: AskFlags): Promise<Asking> {
  const { knownPrices, openAsker, PROVIDERS } = await import('../label/index.ts')
  const { baseUrl: base_url, priceIn, priceOut } = options
  const provider = options.provider ?? (base_url === undefined ? 'openai' : 'compatible')
  const usual = PROVIDERS[provider]
  const model = options.model ?? usual.model
  const embedding_model = options.embeddingModel ?? usual.embedding_model
  if (provider === 'compatible' && base_url === undefined)
    throw new CliError(`${command}: --provider compatible needs --base-url.`)
  if ((priceIn === undefined) !== (priceOut === undefined))
    throw new CliError(`${command}: --price-in and --price-out go together.`)
  const api_key = usual.key_env === undefined ? undefined : process.env[usual.key_env]
  const endpoint = { provider, base_url, model, embedding_model, api_key }
  const prices =
    priceIn !== undefined && priceOut !== undefined
      ? { input: priceIn, output: priceOut }
      : knownPrices(endpoint)
  if (options.maxCost !== undefined && prices === undefined)
    throw new CliError(
      `${command}: --max-cost needs the prices of ${model}, which are not known. Give --price-in and --price-out in dollars per million tokens.`,
    )
  const max_cost = options.maxCost ?? (prices === undefined ? undefined : UNASKED_COST)
  return {
    model,
    embedding_model,
    prices,
    max_cost,
    async open(suite, signal) {
      if (api_key === undefined && usual.key_env !== undefined && base_url === undefined)
        throw new CliError(`${command}: set ${usual.key_env} to your key for ${provider}.`)
      const { CALLS_FILE, openJournal } = await import('../label/disk.ts')
      const { costOf } = await import('../label/index.ts')
      const journal = await openJournal(join(suite, CALLS_FILE))
      const { n_calls, ...usage } = journal.lost
      if (n_calls > 0)
        console.error(
          `${n_calls} calls were under way when an earlier run ended; their answers are lost${prices ? `, and up to $${costOf(usage, prices).toFixed(4)} may have been paid for them` : ''}`,
        )
      return openAsker({
        ...endpoint,
        prices,
        max_cost,
        journal,
        signal,
        concurrency: options.concurrency,
      })
    },
  }
}

/** @throws CliError where the estimate passes what may be spent and no --max-cost was given. */
export function confirmCost(
  command: string,
  cost: number | undefined,
  { max_cost }: Asking,
  { maxCost }: AskFlags,
): void {
  if (cost === undefined || max_cost === undefined || maxCost !== undefined || cost <= max_cost)
    return
  throw new CliError(
    `${command}: this would cost about ${renderCost(cost)}, more than ${renderCost(max_cost)}. Allow it with --max-cost, or take fewer with --latents.`,
  )
}

export const renderCost = (cost: number | undefined): string =>
  cost === undefined ? 'price not known' : `$${cost.toFixed(cost < 1 ? 4 : 2)}`

export const renderSpent = ({ n_calls, n_remembered, ...spent }: Spent): string =>
  `${n_calls} calls${n_remembered === 0 ? '' : ` (${n_remembered} answers were there already)`}, ${spent.input_tokens} tokens in, ${spent.output_tokens} out, ${renderCost(spent.cost)}`
