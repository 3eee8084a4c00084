/** `hooke eval`: metrics of every SAE of a suite. */
import type { Command } from 'commander'
import { type Context, wholeNumber } from './options.ts'
import { runStages } from './pipelineRun.ts'
import { suiteConfig } from './suiteConfig.ts'
import { suiteTable } from './suiteTable.ts'

type Options = { data?: string[]; tokens?: number; threads?: number; json?: boolean }

export function addEvalCommand(program: Command, { signal }: Context): void {
  program
    .command('eval')
    .summary('L0, FVU, delta loss, density and dead latents')
    .description(
      "Measures every SAE of a suite on held-out text, writes metrics.json beside its weights, and prints the table. Without --data: the documents that the suite's own training left out. With --data: all of that text.",
    )
    .argument('<suite>', 'folder of the suite')
    .option('--data <files...>', 'text to measure on')
    .option('--tokens <n>', 'tokens to measure on', wholeNumber(1))
    .option('--threads <n>', 'threads', wholeNumber(1, 256), 2)
    .option('--json', 'print the metrics as JSON')
    .action(async (suite: string, options: Options) => {
      const config = await suiteConfig(suite, options)
      await runStages(
        { ...config, ...(options.tokens === undefined ? {} : { eval_tokens: options.tokens }) },
        { stages: ['evaluate'], signal },
      )
      if (!options.json) {
        console.log(await suiteTable(suite))
        return
      }
      const { listSuite, readMetrics } = await import('../sae/disk.ts')
      const metrics = (await listSuite(suite)).map(async ({ hook, d_sae, l0, path }) => ({
        hook,
        d_sae,
        l0_target: l0,
        ...(await readMetrics(path)),
      }))
      console.log(JSON.stringify(await Promise.all(metrics)))
    })
}
