/** `hooke run`: one forward pass, activations at the asked sites to a file. */
import type { Command } from 'commander'
import { CliError } from './errors.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf } from './modelOptions.ts'
import { type Context, globList, idList } from './options.ts'
import { fetchModel } from './pull.ts'
import { renderTable } from './terminal.ts'

type Options = ModelFlags & {
  text?: string
  ids?: number[]
  hooks: string[]
  out?: string
  json?: boolean
}

export function addRunCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('run')
    .summary('one forward pass; activations at every asked site')
    .description(
      'Runs a text or token ids through a model once. Writes input_ids, each hook [n_tokens, d], logits and next_token_loss as F32 safetensors.',
    )
    .argument(
      '<model>',
      'a bundled name, a folder in Hugging Face layout, or a Hub id (owner/name)',
    )
    .option('--text <text>', 'text to run (BOS in front, where the tokenizer puts it there)')
    .option('--ids <ids>', 'token ids to run as they are, e.g. 2,7,9', idList)
    .option('--hooks <globs...>', 'sites to capture, e.g. "blocks.*.hook_resid_post"', globList)
    .option('--out <file>', 'safetensors file to write')
    .option('--json', 'print the summary as JSON')
  addModelOptions(command).action(async (name: string, options: Options) => {
    const { openModel, padBatch, expandHooks } = await import('../model/index.ts')
    const { writeFileAtomic } = await import('../files/index.ts')
    const { fromFloat32, writeSafetensors } = await import('../formats/index.ts')

    if ((options.text === undefined) === (options.ids === undefined))
      throw new CliError('run: give either --text or --ids, and not both.')
    const model = await openModel(await fetchModel(name, signal), modelOptionsOf(options))
    try {
      const hooks = options.hooks === undefined ? [] : expandHooks(options.hooks, model.hooks)
      const ids = options.ids
        ? Int32Array.from(options.ids)
        : tokenizeText(model, options.text ?? '')
      const result = await model.forward(padBatch([ids]), {
        hooks,
        logits: true,
        loss: true,
        signal,
      })
      const loss = result.next_token_loss ?? new Float32Array()
      const mean_loss =
        loss.length === 0 ? undefined : loss.reduce((a, b) => a + b, 0) / loss.length

      if (options.out !== undefined) {
        const { d_vocab } = model.config
        const tensors = new Map([['input_ids', fromFloat32(Float32Array.from(ids), [ids.length])]])
        for (const [hook, { data, d }] of result.acts)
          tensors.set(hook, fromFloat32(data, [ids.length, d]))
        tensors.set('logits', fromFloat32(result.logits!, [ids.length, d_vocab]))
        tensors.set('next_token_loss', fromFloat32(loss, [loss.length]))
        const metadata = { model: model.name, model_hash: model.hash }
        await writeFileAtomic(options.out, writeSafetensors(tensors, metadata))
      }
      const rows = [...result.acts].map(([hook, { data, d }]) => ({
        hook,
        shape: [ids.length, d],
        rms: rms(data),
      }))
      if (options.json) {
        console.log(
          JSON.stringify({
            n_tokens: ids.length,
            mean_loss_nats: mean_loss,
            hooks: rows,
            out: options.out,
          }),
        )
      } else {
        if (rows.length > 0)
          console.log(
            renderTable(
              ['hook', 'shape', 'rms'],
              rows.map((row) => [row.hook, `[${row.shape.join(', ')}]`, row.rms.toFixed(4)]),
            ),
          )
        const loss_text =
          mean_loss === undefined
            ? 'one token predicts nothing'
            : `next-token loss ${mean_loss.toFixed(4)} nats`
        console.log(
          `${ids.length} tokens; ${loss_text}${options.out === undefined ? '' : `; written to ${options.out}`}`,
        )
      }
    } finally {
      await model.close()
    }
  })
}

function tokenizeText(
  model: { name: string; tokenizer: { tokenize(text: string): Int32Array } | undefined },
  text: string,
): Int32Array {
  if (!model.tokenizer)
    throw new CliError(
      `run: ${model.name} has no tokenizer.json, so it cannot read --text. Give token ids with --ids.`,
    )
  return model.tokenizer.tokenize(text)
}

/** Root mean square of all elements. */
function rms(data: Float32Array): number {
  return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length)
}
