/** How a command asks language models: provider, prices, cap. Keys come from the environment only. */
import { type Command, Option } from 'commander'
import type { AskSettings } from '../jobs/index.ts'
import type { ProviderName, Spent } from '../label/index.ts'
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

/** Options of a command that asks at once. */
export function addAskOptions(command: Command): Command {
  return addProviderOptions(command)
    .option('--estimate', 'print what it would cost, and stop')
    .option('--json', 'print results as JSON lines')
}

/** Who is asked, and for how much at most. */
export function addProviderOptions(command: Command): Command {
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
}

/** Who is to be asked, and for how much. @throws CliError where options do not go together. */
export async function askSettingsOf(command: string, options: AskFlags): Promise<AskSettings> {
  const { settleAsking } = await import('../jobs/index.ts')
  const { provider, baseUrl: base_url, priceIn, priceOut, maxCost: max_cost } = options
  if (provider === 'compatible' && base_url === undefined)
    throw new CliError(`${command}: --provider compatible needs --base-url.`)
  if ((priceIn === undefined) !== (priceOut === undefined))
    throw new CliError(`${command}: --price-in and --price-out go together.`)
  const settings = settleAsking({
    provider,
    base_url,
    model: options.model,
    embedding_model: options.embeddingModel,
    prices:
      priceIn === undefined || priceOut === undefined
        ? undefined
        : { input: priceIn, output: priceOut },
    max_cost,
    concurrency: options.concurrency,
    thinking_tokens: options.thinkingTokens,
  })
  if (max_cost !== undefined && settings.prices === undefined)
    throw new CliError(
      `${command}: --max-cost needs the prices of ${settings.model}, which are not known. Give --price-in and --price-out in dollars per million tokens.`,
    )
  return settings
}

/** @throws CliError where the key that somebody is asked with is missing. */
export async function requireKey(command: string, settings: AskSettings): Promise<void> {
  const { missingKey } = await import('../jobs/index.ts')
  const missing = missingKey(settings)
  if (missing !== undefined)
    throw new CliError(`${command}: set ${missing} to your key for ${settings.provider}.`)
}

/** @throws CliError where the estimate passes what may be spent and no --max-cost was given. */
export function confirmCost(
  command: string,
  cost: number | undefined,
  { max_cost }: AskSettings,
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
