/** `hooke search`: latents by label, token or raised output token. */
import { basename, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { SearchKind } from '../search/index.ts'
import { type Context, wholeNumber } from './options.ts'
import { renderTable } from './terminal.ts'
import { openSuiteDatabase } from './workspace.ts'

type Options = { kind: SearchKind; limit: number; json?: boolean }

export function addSearchCommand(program: Command, _context: Context): void {
  program
    .command('search')
    .summary('find latents by label, token or text they raise')
    .argument('<suite>', 'folder of the suite')
    .argument('<query>', 'words or a token')
    .addOption(
      new Option('--kind <kind>', 'what to look in')
        .choices(['all', 'label', 'token', 'logit'])
        .default('all'),
    )
    .option('--limit <n>', 'most results', wholeNumber(1, 200), 20)
    .option('--json', 'print the results as JSON')
    .action(async (suite: string, query: string, options: Options) => {
      const { searchLatents } = await import('../search/index.ts')
      const db = await openSuiteDatabase(suite)
      try {
        const result = await searchLatents(db, {
          query,
          kind: options.kind,
          suite: basename(resolve(suite)),
          limit: options.limit,
          offset: 0,
        })
        if (options.json) console.log(JSON.stringify(result))
        else {
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
          console.log(`${result.hits.length} of ${result.n_total} latents`)
        }
      } finally {
        await db.close()
      }
    })
}
