/** `hooke search`: latents by words of labels, by tokens, by meaning. */
import { basename, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { SearchFilters, SearchKind } from '../search/index.ts'
import type { Database } from '../store/index.ts'
import { CliError } from './errors.ts'
import { type Context, realNumber, wholeNumber } from './options.ts'
import { renderTable } from './terminal.ts'
import { openSuiteDatabase } from './workspace.ts'

type Options = {
  kind: SearchKind | 'meaning'
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
  program
    .command('search')
    .summary('find latents by label, token, meaning or text they raise')
    .description(
      'Latents of a suite by words of their labels, the tokens they fire on and the tokens they raise, best match first; with --kind meaning by the embeddings that hooke embed made.',
    )
    .argument('<suite>', 'folder of the suite')
    .argument('<query>', 'words or a token')
    .addOption(
      new Option('--kind <kind>', 'what to look in')
        .choices(['all', 'label', 'token', 'logit', 'meaning'])
        .default('all'),
    )
    .option('--from-layer <n>', 'first layer', wholeNumber(0))
    .option('--to-layer <n>', 'last layer', wholeNumber(0))
    .option('--site <name>', 'one site of each layer, e.g. hook_resid_post')
    .option('--min-density <share>', 'least share of tokens it fires on', realNumber(0, 1))
    .option('--max-density <share>', 'largest share of tokens it fires on', realNumber(0, 1))
    .option('--min-score <score>', 'least score of its label', realNumber(0, 1))
    .addOption(
      new Option('--by <method>', 'how it was labelled').choices(['manual', 'lexical', 'llm']),
    )
    .option('--author <name>', 'who labelled it')
    .option('--limit <n>', 'most results', wholeNumber(1, 200), 20)
    .option('--json', 'print the results as JSON')
    .action(async (suite: string, query: string, options: Options) => {
      const db = await openSuiteDatabase(suite)
      try {
        const result = await search(db, query, options, filtersOf(suite, options), signal)
        if (options.json) console.log(JSON.stringify(result))
        else {
          if (result.read_as !== undefined)
            console.log(`nothing is spelt so; shown for ${JSON.stringify(result.read_as)}`)
          console.log(
            renderTable(
              ['latent', 'label', 'matched', 'in', 'density'],
              result.hits.map((hit) => [
                `${hit.hook}/${hit.index}`,
                hit.label,
                hit.matched,
                hit.snippet,
                hit.density?.toExponential(1),
              ]),
            ),
          )
          const total = result.more ? `more than ${result.n_total}` : result.n_total
          console.log(`${result.hits.length} of ${total} latents`)
        }
      } finally {
        await db.close()
      }
    })
}

const filtersOf = (suite: string, options: Options): SearchFilters => ({
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

async function search(
  db: Database,
  query: string,
  { kind, limit }: Options,
  filters: SearchFilters,
  signal: AbortSignal,
) {
  const { EmbedderShelf, searchByMeaning, searchLatents } = await import('../search/index.ts')
  if (kind !== 'meaning') return searchLatents(db, { ...filters, query, kind, limit })
  const embedders = new EmbedderShelf()
  try {
    const open = embedders.get.bind(embedders)
    const found = await searchByMeaning(db, open, { ...filters, query, limit, signal })
    if (!found)
      throw new CliError(
        'no label is embedded, so there is no search by meaning. Run hooke embed first.',
      )
    return found
  } finally {
    await embedders.close()
  }
}
