/** `hooke train`: every SAE of a suite from one pass over a text. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { PipelineConfig, RunPlan } from '../jobs/index.ts'
import type { Precision } from '../model/index.ts'
import { CliError } from './errors.ts'
import { failureLines } from './failures.ts'
import { weightsOption } from './modelOptions.ts'
import {
  byteSize,
  type Context,
  DATA,
  globList,
  numberList,
  oneOf,
  realNumber,
  TEXT_COLUMN,
  wholeNumber,
} from './options.ts'
import { runStages, withProgress } from './pipelineRun.ts'
import { renderPlan } from './planText.ts'
import { lastingData } from './suiteConfig.ts'
import { suiteTable } from './suiteTable.ts'

const ARCHITECTURES = ['jumprelu', 'relu', 'gated', 'topk', 'batchtopk', 'matryoshka'] as const
const DTYPES = ['F16', 'BF16', 'F32'] as const

type Options = {
  data?: string[]
  textColumn?: string
  hooks?: string[]
  to?: string
  skip?: boolean
  width?: number[]
  l0?: number[]
  architecture?: (typeof ARCHITECTURES)[number]
  sparsity?: 'target' | 'fixed'
  lambda?: number
  frequencyWeight?: number
  lr?: number
  tokens: number
  batch: number
  seed: number
  heldOut?: number
  dtype?: (typeof DTYPES)[number]
  checkpointEvery?: number
  stream?: boolean
  keepActivations?: boolean
  memory?: number
  weights?: Precision
  threads: number
  out: string
  dryRun?: boolean
  json?: boolean
}

const EXAMPLES = `
Examples:
  hooke train thimble-5m --data text.txt --width 1024 --l0 16 32 --out suites/mine
  hooke train thimble-5m --data text.txt --architecture batchtopk --stream --memory 2GiB --dry-run --out suites/mine
  hooke train thimble-5m --data text.txt --hooks 'blocks.*.ln2.hook_normalized' --to hook_mlp_out --skip --out suites/transcoders
  hooke train store --hooks 'blocks.3.*' --out suites/from-store`

export function addTrainCommand(program: Command, { signal }: Context): void {
  program
    .command('train')
    .summary('train every SAE of a suite in one pass')
    .description(
      'Captures the activations of a text at every asked site, then trains one SAE per site, width and L0 from the same batches; with --to, transcoders. With the store of hooke capture instead of a model it trains on what the store holds; measure such a suite with hooke eval SUITE --data. What the run will take is printed before it begins. Ctrl-C writes a checkpoint; the same command goes on.',
    )
    .argument(
      '<model or store>',
      'a bundled name, a folder in Hugging Face layout, or a Hub id; or the folder of an activation store',
    )
    .option('--data <files...>', `with a model: ${DATA}`)
    .option('--text-column <name>', TEXT_COLUMN)
    .option(
      '--hooks <globs...>',
      'sites (default: blocks.*.hook_resid_post, or all of the store)',
      globList,
    )
    .option('--to <site>', 'transcoders: the site of the same block to write, e.g. hook_mlp_out')
    .option('--skip', 'transcoders: with an affine skip from input to output')
    .option('--width <n...>', 'latents per SAE (default: 2048)', numberList)
    .option('--l0 <k...>', 'active latents a token (default: 32)', numberList)
    .option(
      '--architecture <name>',
      `${ARCHITECTURES.join(', ')} (default: jumprelu)`,
      oneOf(ARCHITECTURES),
    )
    .option(
      '--sparsity <how>',
      'target: L0 is held at --l0; fixed: --lambda holds (default: target)',
      oneOf(['target', 'fixed'] as const),
    )
    .option('--lambda <x>', 'coefficient of the sparsity loss', realNumber(0, 1e9))
    .option(
      '--frequency-weight <x>',
      'price of latents that fire often (default: 0)',
      realNumber(0, 1e9),
    )
    .option(
      '--lr <rate>',
      'learning rate (default: from the width and the length of the run)',
      realNumber(1e-9, 1),
    )
    .option('--tokens <n>', 'tokens to train on, epochs counted', wholeNumber(1), 1_000_000)
    .option('--batch <n>', 'tokens a step', wholeNumber(1), 1024)
    .option(
      '--held-out <share>',
      'share of documents kept for evaluation (default: 0.05)',
      realNumber(0.001, 0.9),
    )
    .option(
      '--dtype <type>',
      'of captured activations: F16, BF16 or F32 (default: F16)',
      oneOf(DTYPES),
    )
    .option('--checkpoint-every <n>', 'steps between checkpoints (default: 500)', wholeNumber(1))
    .option('--stream', 'capture while training, with no activations on disk')
    .option('--keep-activations', 'keep the activation store after training')
    .addOption(weightsOption('f32; measuring and indexing the suite keep to it'))
    .option('--memory <size>', 'stay within so much memory, e.g. 4GiB', byteSize)
    .option('--seed <n>', 'the same seed gives the same bytes', wholeNumber(0), 0)
    .option('--threads <n>', 'threads (does not change the result)', wholeNumber(1, 256), 2)
    .requiredOption('--out <suite>', 'folder of the suite')
    .option('--dry-run', 'print the plan and stop')
    .option('--json', 'print the plan and every measurement as JSON lines')
    .addHelpText('after', EXAMPLES)
    .action(async (source: string, options: Options) => {
      const { json, dryRun } = options
      const recipe = recipeOf(options)
      const common = {
        out: resolve(options.out),
        d_sae: options.width ?? [2048],
        l0: options.l0 ?? [32],
        n_tokens: options.tokens,
        eval_tokens: 20_000,
        batch_size: options.batch,
        seed: options.seed,
        threads: options.threads,
        ...(options.to === undefined ? {} : { hook_out: options.to }),
        ...(options.memory === undefined ? {} : { memory_bytes: options.memory }),
        ...(recipe === undefined ? {} : { recipe }),
      }
      const onPlan = (plan: RunPlan): void => {
        if (!json) console.log(renderPlan(plan))
        else console.log(JSON.stringify(dryRun ? plan : { plan }))
      }
      const { planFromStore, planPipeline, trainFromStore } = await import('../jobs/index.ts')
      const { isStore } = await import('../activations/index.ts')
      if (await isStore(source)) {
        checkStoreOptions(source, options)
        const settings = { ...common, store: resolve(source), hooks: options.hooks ?? ['*'] }
        if (dryRun) return onPlan(await planFromStore(settings))
        await withProgress(json, (report) => trainFromStore(settings, { report, onPlan, signal }))
      } else {
        const config = await modelConfig(source, options, common)
        if (dryRun) return onPlan(await planPipeline(config, { signal }))
        const stages = ['capture', 'train', 'evaluate'] as const
        await runStages(config, { stages, signal, onPlan, json })
      }
      for (const line of await failureLines(options.out)) console.error(line)
      if (!json) console.log(await suiteTable(options.out))
    })
}

/** What differs from the recipe's defaults; undefined where nothing does. */
function recipeOf(options: Options): PipelineConfig['recipe'] | undefined {
  const { architecture, sparsity, lambda, frequencyWeight, lr, skip, to } = options
  const { checkpointEvery } = options
  if (skip && to === undefined)
    throw new CliError('train: --skip goes with --to: only a transcoder has a skip.')
  const given = {
    ...(architecture === undefined ? {} : { architecture }),
    ...(sparsity === undefined ? {} : { sparsity }),
    ...(lambda === undefined ? {} : { lambda }),
    ...(frequencyWeight === undefined ? {} : { frequency_weight: frequencyWeight }),
    ...(lr === undefined ? {} : { lr }),
    ...(skip === undefined ? {} : { skip }),
    ...(checkpointEvery === undefined ? {} : { checkpoint_every_steps: checkpointEvery }),
  }
  return Object.keys(given).length === 0 ? undefined : given
}

function checkStoreOptions(store: string, options: Options): void {
  for (const [flag, given] of [
    ['--data', options.data],
    ['--text-column', options.textColumn],
    ['--held-out', options.heldOut],
    ['--keep-activations', options.keepActivations],
    ['--stream', options.stream],
    ['--dtype', options.dtype],
    ['--weights', options.weights],
  ] as const)
    if (given !== undefined)
      throw new CliError(
        `train: ${flag} goes with a model, and ${store} is an activation store: all of it is trained on, and it stays as it is.`,
      )
}

async function modelConfig(
  model: string,
  options: Options,
  common: Omit<PipelineConfig, 'model' | 'data' | 'hooks' | 'held_out' | 'dtype'>,
): Promise<PipelineConfig> {
  if (options.data === undefined)
    throw new CliError(
      `train: needs --data with a model. (${model} holds no manifest.json, so it is no activation store.)`,
    )
  if (options.stream && options.keepActivations)
    throw new CliError('train: --stream keeps no activations; leave out --keep-activations.')
  const { lastingModelName } = await import('../hub/index.ts')
  return {
    ...common,
    model: lastingModelName(model),
    ...(options.weights === undefined || options.weights === 'f32'
      ? {}
      : { weights: options.weights }),
    data: await lastingData(options.data),
    ...(options.textColumn === undefined ? {} : { text_column: options.textColumn }),
    hooks: options.hooks ?? ['blocks.*.hook_resid_post'],
    held_out: options.heldOut ?? 0.05,
    dtype: options.dtype ?? 'F16',
    ...(options.stream ? { stream: true } : {}),
    keep_activations: options.keepActivations ?? false,
  }
}
