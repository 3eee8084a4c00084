/** `hooke train`: every SAE of a suite from one pass over a text. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { CliError } from './errors.ts'
import { type Context, globList, numberList, realNumber, wholeNumber } from './options.ts'
import { runStages, withProgress } from './pipelineRun.ts'
import { suiteTable } from './suiteTable.ts'

type Options = {
  data?: string[]
  hooks: string[]
  width: number[]
  l0: number[]
  tokens: number
  batch: number
  seed: number
  threads: number
  heldOut?: number
  lr?: number
  out: string
  keepActivations?: boolean
  json?: boolean
}

export function addTrainCommand(program: Command, { signal }: Context): void {
  program
    .command('train')
    .summary('train every SAE of a suite in one pass')
    .description(
      'Captures the activations of a text at every asked site, then trains one JumpReLU SAE per site, width and L0 from the same batches. With the store of hooke capture instead of a model it trains on what the store holds; measure such a suite with hooke eval SUITE --data. Ctrl-C writes a checkpoint; the same command goes on.',
    )
    .argument(
      '<model or store>',
      'a bundled name, or a folder in Hugging Face layout; or the folder of an activation store',
    )
    .option('--data <files...>', 'text, with a model: .txt, .jsonl, .txt.gz, .jsonl.gz')
    .option(
      '--hooks <globs...>',
      'sites (default: blocks.*.hook_resid_post, or all of the store)',
      globList,
    )
    .option('--width <n...>', 'latents per SAE (default: 2048)', numberList)
    .option('--l0 <k...>', 'active latents a token (default: 32)', numberList)
    .option('--tokens <n>', 'tokens to train on, epochs counted', wholeNumber(1), 1_000_000)
    .option('--batch <n>', 'tokens a step', wholeNumber(1), 1024)
    .option(
      '--held-out <share>',
      'share of documents kept for evaluation (default: 0.05)',
      realNumber(0.001, 0.9),
    )
    .option(
      '--lr <rate>',
      'learning rate (default: from the width and the length of the run)',
      realNumber(1e-9, 1),
    )
    .option('--seed <n>', 'the same seed gives the same bytes', wholeNumber(0), 0)
    .option('--threads <n>', 'threads (does not change the result)', wholeNumber(1, 256), 2)
    .option('--keep-activations', 'keep the activation store after training')
    .requiredOption('--out <suite>', 'folder of the suite')
    .option('--json', 'print every measurement as a JSON line')
    .action(async (source: string, options: Options) => {
      const common = {
        out: resolve(options.out),
        d_sae: options.width ?? [2048],
        l0: options.l0 ?? [32],
        n_tokens: options.tokens,
        eval_tokens: 20_000,
        batch_size: options.batch,
        seed: options.seed,
        threads: options.threads,
        ...(options.lr === undefined ? {} : { recipe: { lr: options.lr } }),
      }
      const { isStore } = await import('../activations/index.ts')
      if (await isStore(source)) {
        for (const [flag, given] of [
          ['--data', options.data],
          ['--held-out', options.heldOut],
          ['--keep-activations', options.keepActivations],
        ] as const)
          if (given !== undefined)
            throw new CliError(
              `train: ${flag} goes with a model, and ${source} is an activation store: all of it is trained on, and it stays.`,
            )
        const { trainFromStore } = await import('../jobs/index.ts')
        const settings = { ...common, store: resolve(source), hooks: options.hooks ?? ['*'] }
        await withProgress(options.json, (report) => trainFromStore(settings, { report, signal }))
      } else {
        if (options.data === undefined)
          throw new CliError(
            `train: needs --data with a model. (${source} holds no manifest.json, so it is no activation store.)`,
          )
        const { lastingModelName } = await import('../files/index.ts')
        await runStages(
          {
            ...common,
            model: lastingModelName(source),
            data: options.data.map((path) => resolve(path)),
            hooks: options.hooks ?? ['blocks.*.hook_resid_post'],
            held_out: options.heldOut ?? 0.05,
            dtype: 'F16',
            keep_activations: options.keepActivations ?? false,
          },
          { stages: ['capture', 'train', 'evaluate'], signal, json: options.json },
        )
      }
      if (!options.json) console.log(await suiteTable(options.out))
    })
}
