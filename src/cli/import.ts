/** `hooke import`: published SAEs become part of a suite. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { HookName, Precision } from '../model/index.ts'
import type { Sites } from '../sae/index.ts'
import { checkTable, testSaes } from './check.ts'
import { CliError } from './errors.ts'
import { weightsOption } from './modelOptions.ts'
import { type Context, wholeNumber } from './options.ts'
import { fetchModel, withProgress } from './pull.ts'

type Options = {
  model: string
  out: string
  hook?: string
  hookOut?: string
  l0?: number
  weights?: Precision
  check: boolean
}

export function addImportCommand(program: Command, { signal }: Context): void {
  program
    .command('import')
    .summary('put published SAEs into a suite')
    .description(
      'Reads SAEs and transcoders of Gemma Scope 1 and 2, SAELens 3 to 6, sparsify, dictionary_learning and Llama Scope, and writes them into a suite for a model, after checking that they fit it. The format is recognised from the files; what is assumed, and what is folded into the weights, is printed.',
    )
    .argument(
      '<saes...>',
      'short name (gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71), owner/name/folder on the Hub, folder, or file of weights',
    )
    .requiredOption('--model <model>', 'the model it was trained on')
    .requiredOption('--out <suite>', 'folder of the suite')
    .option('--hook <name>', 'site it reads, where neither the files nor the path tell')
    .option('--hook-out <name>', 'site it writes if it is a transcoder, with --hook')
    .option('--l0 <n>', 'L0, where neither the files nor the path tell', wholeNumber(1))
    .addOption(weightsOption('as the suite was begun, else f32; it is measured and indexed so'))
    .option('--no-check', 'leave out the self-test (hooke check) that ends an import')
    .action(async (saes: string[], options: Options) => {
      const { checkFits, parseHookName, RELEASES_VERSION, saeFolder } = await import(
        '../sae/index.ts'
      )
      const { fetchPublishedSae, loadPublishedSae, saveSae } = await import('../sae/disk.ts')
      const { openModel, readMlpNorm } = await import('../model/index.ts')
      const { lastingModelName } = await import('../hub/index.ts')
      const { adoptSaes, weightsOfSuite } = await import('../jobs/index.ts')
      const sites = parseSites(options, parseHookName)
      const path = await fetchModel(options.model, signal)
      const weights = await weightsOfSuite(resolve(options.out), options.weights)
      const model = await openModel(path, { weights })
      const { name, hash } = model
      const origin = { name, hash, path: lastingModelName(options.model) }
      const folders: string[] = []
      try {
        for (const wanted of saes) {
          signal.throwIfAborted()
          const fetched = await withProgress((onProgress) =>
            fetchPublishedSae(wanted, { signal, onProgress }),
          )
          const { source, release } = fetched
          const published = await loadPublishedSae(fetched.path, {
            ...(sites === undefined ? {} : { sites }),
            mlpNorm: (layer) => readMlpNorm(path, layer),
          })
          const { sae, dialect, notes } = published
          checkFits(sae, model)
          const l0 = options.l0 ?? published.l0
          if (l0 === undefined)
            throw new CliError(
              `import: neither the files nor the name of ${wanted} tell its L0. Give --l0.`,
            )
          const folder = saeFolder(options.out, sae.hook_name, sae.d_sae, l0)
          const { hook_name, d_in, d_sae, transcoder } = sae
          const to = transcoder === undefined ? '' : ` to ${transcoder.hook_name_out}`
          const output = transcoder === undefined ? {} : { hook_out: transcoder.hook_name_out }
          const entry = { hook: hook_name, ...output, d_in, d_sae, l0, path: folder }
          const trained_on = release?.base_model ?? published.model_name
          const table =
            release === undefined ? {} : { release: wanted, releases_version: RELEASES_VERSION }
          await adoptSaes(resolve(options.out), origin, [entry], weights)
          await saveSae(folder, { ...sae, metadata: { ...sae.metadata, source, ...table } })
          console.log(`${folder}: ${dialect}, ${hook_name}${to}, ${d_in} x ${d_sae}, L0 ${l0}`)
          for (const note of notes) console.log(`  ${note}`)
          if (trained_on !== undefined) console.log(`  It was trained on ${trained_on}.`)
          folders.push(folder)
        }
        if (!options.check) return
        if (model.tokenizer === undefined)
          return console.error('not tested: the model has no tokenizer to run text with')
        console.log(`\n${checkTable(await testSaes(model, path, folders, { signal }))}`)
      } finally {
        await model.close()
      }
    })
}

/** The sites that the options name, `undefined` where the files or the path are to tell. */
function parseSites(
  { hook, hookOut }: Options,
  parse: (text: string, where: string, field?: string) => HookName,
): Sites | undefined {
  if (hook === undefined) {
    if (hookOut === undefined) return undefined
    throw new CliError('import: --hook-out needs --hook, the site that the transcoder reads.')
  }
  const hook_name = parse(hook, '--hook')
  if (hookOut === undefined) return { hook_name }
  return { hook_name, hook_name_out: parse(hookOut, '--hook-out', 'hook_name_out') }
}
