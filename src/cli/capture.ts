/** `hooke capture`: a text's activations at the asked sites, as a store on disk. */
import type { Command } from 'commander'
import { CliError } from './errors.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf, renderMemory } from './modelOptions.ts'
import { type Context, DATA, globList, oneOf, TEXT_COLUMN, wholeNumber } from './options.ts'
import { renderCapturePlan } from './planText.ts'
import { fetchModel } from './pull.ts'
import { openProgress, renderDuration, renderTable } from './terminal.ts'

type Options = ModelFlags & {
  data?: string[]
  textColumn?: string
  hooks?: string[]
  to?: string
  tokens?: number
  out: string
  dtype: 'F32' | 'F16' | 'BF16'
  verify?: boolean
  dryRun?: boolean
  json?: boolean
}

const EXAMPLES = `
Examples:
  hooke capture thimble-5m --data text.txt --hooks 'blocks.*.hook_resid_post' --dtype BF16 --out store
  hooke capture thimble-5m --data text.txt --hooks 'blocks.*.ln2.hook_normalized' --to hook_mlp_out --dry-run --out store
  hooke capture --verify --out store`

export function addCaptureCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('capture')
    .summary('store activations of a text')
    .description(
      'Runs text through a model and stores the activations in shards. A store that was begun is finished; --verify re-reads every shard of a finished one.',
    )
    .argument(
      '[model]',
      'a bundled name, a folder in Hugging Face layout, or a Hub id (owner/name)',
    )
    .option('--data <files...>', DATA)
    .option('--text-column <name>', TEXT_COLUMN)
    .option('--hooks <globs...>', 'sites to capture, e.g. "blocks.*.hook_resid_post"', globList)
    .option('--to <site>', 'capture this site of the same blocks too, for transcoders')
    .option('--tokens <n>', 'tokens to store (default: all)', wholeNumber(1))
    .requiredOption('--out <folder>', 'folder of the store')
    .option('--dtype <type>', 'F32, F16 or BF16', oneOf(['F32', 'F16', 'BF16'] as const), 'F32')
    .option('--verify', 'check the checksum of every shard of the store in --out')
    .option('--dry-run', 'print what it would take and stop')
    .option('--json', 'print the manifest, or the plan, as JSON')
    .addHelpText('after', EXAMPLES)
  addModelOptions(command).action(async (name: string | undefined, options: Options) => {
    const activations = await import('../activations/index.ts')
    if (options.verify) {
      const manifest = await activations.verifyStore(options.out, signal)
      console.log(
        options.json
          ? JSON.stringify(manifest)
          : `${options.out}: ${manifest.shards.length} shards, ${manifest.n_tokens} tokens, every checksum right`,
      )
      return
    }
    if (name === undefined || !options.data || !options.hooks)
      throw new CliError(
        'capture: needs a model, --data and --hooks. Example: hooke capture thimble-5m --data text.txt --hooks "blocks.*.hook_resid_post" --out store',
      )
    const { expandHooks, openModel } = await import('../model/index.ts')
    const { lastingModelName } = await import('../hub/index.ts')
    const model = await openModel(await fetchModel(name, signal), modelOptionsOf(options))
    const progress = openProgress()
    const memory = renderMemory(model.name, model.memory)
    if (memory !== undefined && !options.json) process.stderr.write(`${memory}\n`)
    try {
      if (!model.tokenizer)
        throw new CliError(`capture: ${model.name} has no tokenizer.json, so it cannot read text.`)
      const { outputOf, planStore } = await import('../jobs/index.ts')
      const read = expandHooks(options.hooks, model.hooks)
      const written = read.map((hook) => (options.to ? outputOf(hook, options.to) : hook))
      const hooks = model.hooks.filter((hook) => read.includes(hook) || written.includes(hook))
      const corpus = await activations.readCorpus(options.data, model.tokenizer, {
        n_ctx: model.config.n_ctx,
        text_column: options.textColumn,
        hub_tokens: options.tokens && Math.ceil(1.1 * options.tokens),
        signal,
      })
      const { dtype } = options
      const limit = options.tokens === undefined ? {} : { n_tokens: options.tokens }
      if (options.dryRun) {
        const plan = await planStore(model, corpus, { hooks, dtype, ...limit })
        console.log(options.json ? JSON.stringify(plan) : renderCapturePlan(plan))
        return
      }
      const started = performance.now()
      const manifest = await activations.writeStore(options.out, model, corpus, {
        hooks,
        model_path: lastingModelName(name),
        ...limit,
        dtype,
        signal,
        onProgress: ({ n_tokens, of_tokens }) => {
          const share = n_tokens / of_tokens
          const elapsed = performance.now() - started
          progress.update(
            `capturing: ${n_tokens} of ${of_tokens} tokens`,
            share,
            share > 0 ? elapsed / share - elapsed : undefined,
          )
        },
      })
      progress.clear()
      if (options.json) console.log(JSON.stringify(manifest))
      else {
        console.log(
          renderTable(
            ['hook', 'width'],
            manifest.hooks.map((hook) => [hook.name, hook.width]),
          ),
        )
        console.log(
          `${manifest.n_tokens} tokens in ${manifest.shards.length} shards (${manifest.n_excluded} special tokens left out), ${renderDuration(performance.now() - started)}`,
        )
      }
    } finally {
      progress.clear()
      await model.close()
    }
  })
}
