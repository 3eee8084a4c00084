/** `hooke import`: a published SAE becomes part of a suite. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { HookName } from '../model/index.ts'
import type { GemmaScopeSites } from '../sae/index.ts'
import { CliError } from './errors.ts'
import { type Context, wholeNumber } from './options.ts'
import { fetchModel } from './pull.ts'

type Options = { model: string; out: string; hook?: string; hookOut?: string; l0?: number }

export function addImportCommand(program: Command, { signal }: Context): void {
  program
    .command('import')
    .summary('put a Gemma Scope params.npz into a suite')
    .description(
      'Reads params.npz files (Gemma Scope) and writes them into a suite for a model, after checking that they fit it. What is assumed is printed.',
    )
    .argument('<files...>', 'params.npz')
    .requiredOption('--model <model>', 'the model it was trained on')
    .requiredOption('--out <suite>', 'folder of the suite')
    .option('--hook <name>', 'site it reads, where the path does not tell')
    .option('--hook-out <name>', 'site it writes if it is a transcoder, with --hook')
    .option('--l0 <n>', 'L0, where the path does not tell', wholeNumber(1))
    .action(async (files: string[], options: Options) => {
      const { checkFits, parseHookName, saeFolder } = await import('../sae/index.ts')
      const { loadGemmaScope, saveSae } = await import('../sae/disk.ts')
      const { openModel } = await import('../model/index.ts')
      const { lastingModelName } = await import('../hub/index.ts')
      const { adoptSaes } = await import('../jobs/index.ts')
      const sites = parseSites(options, parseHookName)
      const model = await openModel(await fetchModel(options.model, signal))
      const { name, hash } = model
      const origin = { name, hash, path: lastingModelName(options.model) }
      try {
        for (const file of files) {
          signal.throwIfAborted()
          const sae = await loadGemmaScope(file, sites)
          checkFits(sae, model)
          const l0 = options.l0 ?? Number(/average_l0_(\d+)/.exec(resolve(file))?.[1] ?? Number.NaN)
          if (!Number.isFinite(l0))
            throw new CliError(`import: the path of ${file} names no average_l0_N. Give --l0.`)
          const folder = saeFolder(options.out, sae.hook_name, sae.d_sae, l0)
          const { hook_name, d_in, d_sae, transcoder } = sae
          const to = transcoder === undefined ? '' : ` to ${transcoder.hook_name_out}`
          const output = transcoder === undefined ? {} : { hook_out: transcoder.hook_name_out }
          const entry = { hook: hook_name, ...output, d_in, d_sae, l0, path: folder }
          await adoptSaes(resolve(options.out), origin, [entry])
          await saveSae(folder, sae)
          console.log(
            `${folder}: ${hook_name}${to}, ${d_in} x ${d_sae}, raw activations in, JumpReLU, b_dec added after decoding only`,
          )
        }
      } finally {
        await model.close()
      }
    })
}

/** The sites that the options name, `undefined` where the path is to tell. */
function parseSites(
  { hook, hookOut }: Options,
  parse: (text: string, where: string, field?: string) => HookName,
): GemmaScopeSites | undefined {
  if (hook === undefined) {
    if (hookOut === undefined) return undefined
    throw new CliError('import: --hook-out needs --hook, the site that the transcoder reads.')
  }
  const hook_name = parse(hook, '--hook')
  if (hookOut === undefined) return { hook_name }
  return { hook_name, hook_name_out: parse(hookOut, '--hook-out', 'hook_name_out') }
}
