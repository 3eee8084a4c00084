/** `hooke index`: what every latent of a suite does. */
import type { Command } from 'commander'
import { type Context, DATA, TEXT_COLUMN, wholeNumber } from './options.ts'
import { runStages } from './pipelineRun.ts'
import { suiteConfig } from './suiteConfig.ts'
import { suiteEntries } from './workspace.ts'

type Options = { data?: string[]; textColumn?: string; tokens?: number; threads?: number }

export function addIndexCommand(program: Command, { signal }: Context): void {
  program
    .command('index')
    .summary('examples, densities, histograms, logit effects, neighbours')
    .description(
      "Runs text through the model and every SAE of a suite at once, and writes latents.safetensors beside each SAE's weights. Without --data: the text that the suite was indexed or trained on.",
    )
    .argument('<suite>', 'folder of the suite')
    .option('--data <files...>', `to take examples from: ${DATA}`)
    .option('--text-column <name>', TEXT_COLUMN)
    .option('--tokens <n>', 'tokens to read (default: all)', wholeNumber(1))
    .option('--threads <n>', 'threads', wholeNumber(1, 256), 2)
    .action(async (suite: string, options: Options) => {
      const config = await suiteConfig(suite, options)
      await runStages(
        { ...config, ...(options.tokens === undefined ? {} : { index_tokens: options.tokens }) },
        { stages: ['index'], signal },
      )
      for (const { path } of await suiteEntries(suite)) console.log(`${path}/latents.safetensors`)
    })
}
