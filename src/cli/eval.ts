/** `hooke eval`: metrics and plots of every SAE of a suite, or of several side by side. */
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { CliError } from './errors.ts'
import { type Context, DATA, TEXT_COLUMN, wholeNumber } from './options.ts'
import { runStages } from './pipelineRun.ts'
import { suiteConfig } from './suiteConfig.ts'
import { suiteTable } from './suiteTable.ts'

type Options = {
  data?: string[]
  textColumn?: string
  tokens?: number
  importanceTokens?: number
  threads?: number
  plots?: string | true
  json?: boolean
}

export function addEvalCommand(program: Command, { signal }: Context): void {
  program
    .command('eval')
    .summary('L0, FVU, delta loss, density and dead latents, as a table and as plots')
    .description(
      "Measures every SAE of a suite on held-out text, writes metrics.json beside its weights, and prints the table. Without --data: the documents that the suite's own training left out. With --data: all of that text. Several suites are measured one after another, and drawn in the same plots.",
    )
    .argument('<suites...>', 'folders of suites')
    .option('--data <files...>', `to measure on: ${DATA}`)
    .option('--text-column <name>', TEXT_COLUMN)
    .option('--tokens <n>', 'tokens to measure on', wholeNumber(1))
    .option(
      '--importance-tokens <n>',
      'tokens on which the importance of active latents is measured (r_L0), 0 for none',
      wholeNumber(0),
    )
    .option('--threads <n>', 'threads', wholeNumber(1, 256), 2)
    .option(
      '--plots [folder]',
      "draw plots as SVG files; without a folder into the suite's own plots/",
    )
    .option('--json', 'print the metrics as JSON')
    .action(async (suites: string[], options: Options) => {
      const { plots, tokens, importanceTokens, json } = options
      if (plots === true && suites.length > 1)
        throw new CliError(
          '--plots needs a folder where several suites are compared, e.g. --plots plots.',
        )
      const names = distinctNames(suites)
      for (const suite of suites) {
        const config = await suiteConfig(suite, options)
        await runStages(
          {
            ...config,
            ...(tokens === undefined ? {} : { eval_tokens: tokens }),
            ...(importanceTokens === undefined ? {} : { importance_tokens: importanceTokens }),
          },
          { stages: ['evaluate'], signal },
        )
        if (json) continue
        if (suites.length > 1) console.log(`${suite === suites[0] ? '' : '\n'}${suite}`)
        console.log(await suiteTable(suite))
      }
      const { readMeasured, writePlots } = await import('../plots/disk.ts')
      const saes = []
      for (const [i, suite] of suites.entries())
        saes.push(...(await readMeasured(suite, suites.length > 1 ? names[i] : undefined)))
      if (json)
        console.log(JSON.stringify(saes.map(({ metrics, ...sae }) => ({ ...sae, ...metrics }))))
      if (plots === undefined) return
      const { suitePlots } = await import('../plots/index.ts')
      const folder = plots === true ? join(suites[0]!, 'plots') : plots
      const written = await writePlots(folder, suitePlots(saes))
      if (!json) console.log(`\nPlots: ${written.join('  ')}`)
    })
}

/** What to call suites side by side: the names of their folders, or where two are called the same, their paths. */
function distinctNames(suites: readonly string[]): readonly string[] {
  const names = suites.map((suite) => basename(resolve(suite)))
  return new Set(names).size === names.length ? names : suites
}
