/** `hooke search`: latents by words, by meaning, by what texts make of them, by a direction. */
import { basename, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { SearchAnswer, SearchFilters } from '../search/index.ts'
import type { Database } from '../store/index.ts'
import { CliError } from './errors.ts'
import { addModelOptions, type ModelFlags } from './modelOptions.ts'
import { type Context, idList, realNumber, wholeNumber } from './options.ts'
import { searchWeights, type WeightKind, weightKinds } from './searchWeights.ts'
import { renderTable } from './terminal.ts'
import { openSuiteDatabase } from './workspace.ts'

const WORD_KINDS = ['all', 'label', 'token', 'logit', 'meaning'] as const
type WordKind = (typeof WORD_KINDS)[number]

type SearchFlags = ModelFlags & {
  kind: WordKind | WeightKind
  against?: string[]
  tokens?: number[]
  mean?: boolean
  scale: 'share' | 'act'
  limit: number
  fromLayer?: number
  toLayer?: number
  site?: string
  minDensity?: number
  maxDensity?: number
  minScore?: number
  by?: 'manual' | 'lexical' | 'llm'
  author?: string
  json?: boolean
}

export function addSearchCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('search')
    .summary('find latents by words, meaning, texts or a direction')
    .description(
      "Latents of a suite, best match first. By words: of labels, of the tokens they fire on and raise (all, label, token, logit), or by what labels mean, where hooke embed has embedded them (meaning). By a text: it is run through the model, and latents are ranked by their activation (text), or by its difference between texts (contrast, with --against). By a direction: the cosine of what latents write with a vector of numbers (vector), or with a latent's own (like).",
    )
    .argument('<suite>', 'folder of the suite')
    .argument(
      '<query...>',
      'words, a text, a vector as JSON, or HOOK/INDEX; with --kind contrast one text each',
    )
    .addOption(
      new Option('--kind <kind>', 'what to search by')
        .choices([...WORD_KINDS, ...weightKinds])
        .default('all'),
    )
    .option('--against <texts...>', 'with --kind contrast: the texts on the other side')
    .option('--tokens <ids>', 'with --kind text: rank by these positions only, e.g. 3,4', idList)
    .option('--mean', 'with --kind text: by the mean over the tokens, not the largest')
    .addOption(
      new Option(
        '--scale <scale>',
        "with texts: activations as a share of each latent's maximum, or as they are",
      )
        .choices(['share', 'act'])
        .default('share'),
    )
    .option('--from-layer <n>', 'first layer', wholeNumber(0))
    .option('--to-layer <n>', 'last layer', wholeNumber(0))
    .option('--site <name>', 'one site of each layer, e.g. hook_resid_post')
    .option('--min-density <share>', 'least share of tokens it fires on', realNumber(0, 1))
    .option(
      '--max-density <share>',
      'largest share of tokens it fires on (default: with texts 0.1, else any)',
      realNumber(0, 1),
    )
    .option('--min-score <score>', 'least score of its label', realNumber(0, 1))
    .addOption(
      new Option('--by <method>', 'how it was labelled').choices(['manual', 'lexical', 'llm']),
    )
    .option('--author <name>', 'who labelled it')
    .option('--limit <n>', 'most results', wholeNumber(1, 200), 20)
    .option('--json', 'print the results as JSON')
  addModelOptions(command).action(async (suite: string, query: string[], options: SearchFlags) => {
    checkFlags(query, options)
    const db = await openSuiteDatabase(suite)
    try {
      const task = { suite, query, options, filters: filtersOf(suite, options), signal }
      const found = isWordKind(options.kind)
        ? await searchWords(db, options.kind, task)
        : await searchWeights(db, options.kind, task)
      console.log(options.json ? JSON.stringify(found.answer) : found.text)
    } finally {
      await db.close()
    }
  })
}

/** What a search was asked for. */
export type SearchTask = {
  readonly suite: string
  readonly query: readonly string[]
  readonly options: SearchFlags
  readonly filters: SearchFilters
  readonly signal: AbortSignal
}

const isWordKind = (kind: string): kind is WordKind => WORD_KINDS.some((one) => one === kind)

function checkFlags(query: readonly string[], { kind, against, tokens, mean }: SearchFlags): void {
  if ((kind === 'contrast') !== (against !== undefined))
    throw new CliError('search: --kind contrast and --against TEXT… go together.')
  if (kind !== 'text' && (tokens !== undefined || mean))
    throw new CliError('search: --tokens and --mean need --kind text.')
  if (query.every((text) => text.trim() === ''))
    throw new CliError('search: the query is empty. Give a word, a text or a vector.')
}

const filtersOf = (suite: string, options: SearchFlags): SearchFilters => ({
  suite: basename(resolve(suite)),
  layer_from: options.fromLayer,
  layer_to: options.toLayer,
  site: options.site,
  density_from: options.minDensity,
  density_to: options.maxDensity,
  score_from: options.minScore,
  method: options.by,
  author: options.author,
})

async function searchWords(db: Database, kind: WordKind, task: SearchTask) {
  const { searchLatents } = await import('../search/index.ts')
  const { filters, options } = task
  const asked = { ...filters, query: task.query.join(' '), limit: options.limit }
  const answer =
    kind === 'meaning'
      ? await searchMeaning(db, { ...asked, signal: task.signal })
      : await searchLatents(db, { ...asked, kind })
  return { answer, text: renderWords(answer) }
}

async function searchMeaning(
  db: Database,
  asked: SearchFilters & { query: string; limit: number; signal: AbortSignal },
): Promise<SearchAnswer> {
  const { EmbedderShelf, searchByMeaning } = await import('../search/index.ts')
  const embedders = new EmbedderShelf()
  try {
    const found = await searchByMeaning(db, embedders.get.bind(embedders), asked)
    if (!found)
      throw new CliError(
        'no label is embedded, so there is no search by meaning. Run hooke embed first.',
      )
    return found
  } finally {
    await embedders.close()
  }
}

function renderWords({ hits, n_total, more, read_as }: SearchAnswer): string {
  const table = renderTable(
    ['latent', 'label', 'matched', 'in', 'density'],
    hits.map((hit) => [
      `${hit.hook}/${hit.index}`,
      hit.label,
      hit.matched,
      hit.snippet,
      hit.density?.toExponential(1),
    ]),
  )
  const total = more ? `more than ${n_total}` : n_total
  return [
    ...(read_as === undefined ? [] : [`nothing is spelt so; shown for ${JSON.stringify(read_as)}`]),
    table,
    `${hits.length} of ${total} latents`,
  ].join('\n')
}
