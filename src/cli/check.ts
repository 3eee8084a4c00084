/** `hooke check`: the self-test of SAEs against their model, as a table with badges. */
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { SelfTestFile } from '../evaluate/disk.ts'
import type { Badge, SelfTestOptions } from '../evaluate/index.ts'
import type { Model } from '../model/index.ts'
import { checkModel } from './checkModel.ts'
import { CliError } from './errors.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf } from './modelOptions.ts'
import { type Context, wholeNumber } from './options.ts'
import { fetchModel, fetchPath } from './pull.ts'
import { type Cell, openProgress, renderTable } from './terminal.ts'

type Options = ModelFlags & { model?: string; tokens?: number; json?: boolean }

export function addCheckCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('check')
    .summary('whether SAEs do on their model what their release says, and why not')
    .description(
      "Measures L0, FVU and delta loss of every SAE on a built-in text and compares them with what the release claims: the L0 in the folder's name or in cfg.json, or metrics.json of one trained here. Where they are off, other sites, scales, biases and beginnings of text are tried, and what fits is named. The result is kept as self_test.json beside each SAE. Ends with 1 where one is red. Given a model instead of SAEs, --weights compares its predictions in that precision with those in float32.",
    )
    .argument('<folder>', "folder of a suite, of one SAE in SAELens's layout, or a model")
    .option('--model <model>', "the model they were trained on, instead of the suite's own")
    .option(
      '--tokens <n>',
      'tokens to measure on (default 4096; the built-in text holds about 5,000)',
      wholeNumber(1),
    )
    .option('--json', 'print the results as JSON')
  addModelOptions(command).action(async (asked: string, options: Options) => {
    const { openModel } = await import('../model/index.ts')
    const { pathExists } = await import('../files/index.ts')
    if (await isModel(asked)) {
      if (options.weights !== undefined) return checkModel(asked, options, signal)
      throw new CliError(
        `check: ${asked} is a model. Give the folder of its SAEs, or --weights to compare it in that precision with float32.`,
      )
    }
    const folder = await fetchPath(asked, signal)
    const saes = await foldersOf(folder)
    const path = await fetchModel(options.model ?? (await modelOf(folder, saes[0]!)), signal)
    const { threads, tokens, json } = options
    const model = await openModel(path, modelOptionsOf(options))
    try {
      const results = await testSaes(model, path, saes, {
        threads,
        ...(tokens === undefined ? {} : { max_tokens: tokens }),
        keep: await pathExists(resolve(asked)), // the Hub's cache stays as it came
        signal,
      })
      console.log(json ? JSON.stringify(results) : checkTable(results))
      const n_red = results.filter(({ badge }) => badge === 'red').length
      if (n_red > 0) {
        throw new Error(
          `${n_red} of ${results.length} SAEs do not do on ${model.name} what is claimed of them.`,
        )
      }
    } finally {
      await model.close()
    }
  })
}

/** Whether a bundled model or a model's folder is meant. */
async function isModel(asked: string): Promise<boolean> {
  const { localModel, pathExists } = await import('../files/index.ts')
  const path = localModel(asked)
  if (path === undefined) return false
  const files = ['model.safetensors', 'model.safetensors.index.json']
  return (await Promise.all(files.map((file) => pathExists(join(path, file))))).includes(true)
}

type Tested = SelfTestFile & { readonly folder: string }

/** Tests the SAEs in folders, and shows in the terminal how far it is. @param path the model's folder. */
export async function testSaes(
  model: Model,
  path: string,
  saes: readonly string[],
  options: SelfTestOptions & { readonly keep?: boolean },
): Promise<Tested[]> {
  const { selfTestFolders } = await import('../evaluate/disk.ts')
  const { readMlpNorm } = await import('../model/index.ts')
  const progress = openProgress()
  const results: Tested[] = []
  try {
    const tests = selfTestFolders(model, saes, {
      ...options,
      mlpNorm: (layer) => readMlpNorm(path, layer),
      onProgress: ({ n_done, n_total }) => {
        const which = saes.length === 1 ? '1 SAE' : `${saes.length} SAEs`
        progress.update(`testing ${which} on built-in text`, n_done / n_total)
      },
    })
    for await (const { folder, result } of tests) results.push({ folder, ...result })
  } finally {
    progress.clear()
  }
  return results
}

/** Badges in words, as a terminal may have no colours. */
const BADGE_WORDS: Readonly<Record<Badge, string>> = {
  green: 'as claimed',
  amber: 'off',
  red: 'WRONG',
}

/** One row an SAE, and below what is known of those that are off. */
export function checkTable(results: readonly Tested[]): string {
  const rows = results.map((result): Cell[] => [
    result.hook_name,
    result.claimed_l0 === undefined ? undefined : Number(result.claimed_l0.toFixed(1)),
    result.l0.toFixed(1),
    result.claimed_fvu?.toFixed(3),
    result.fvu?.toFixed(3),
    result.delta_ce_loss?.toFixed(3),
    BADGE_WORDS[result.badge],
  ])
  const table = renderTable(
    ['site', 'L0 claimed', 'L0', 'FVU claimed', 'FVU', 'delta loss', 'badge'],
    rows,
  )
  const about = results.flatMap((result) => {
    const absent = Object.entries(result.absent).map(([name, why]) => `${name} is absent: ${why}`)
    const lines = [...result.causes.map(({ says }) => `It ${says}.`), ...result.notes, ...absent]
    return lines.length === 0 ? [] : ['', `${result.folder}:`, ...lines.map((line) => `  ${line}`)]
  })
  const counts = [...new Set(results.map(({ n_tokens }) => n_tokens.toLocaleString('en')))]
  return [
    table,
    `On ${counts.join(', ')} tokens of built-in text; delta loss in nats.`,
    ...about,
  ].join('\n')
}

/** The SAEs of a suite, or the one that a folder holds. */
async function foldersOf(folder: string): Promise<readonly string[]> {
  const { pathExists } = await import('../files/index.ts')
  const { listSuite } = await import('../sae/disk.ts')
  const { SAELENS_FILES } = await import('../sae/index.ts')
  if (await pathExists(join(folder, SAELENS_FILES.config))) return [folder]
  const entries = await listSuite(folder)
  if (entries.length > 0) return entries.map(({ path }) => path)
  throw new CliError(
    `${folder} holds neither a suite nor ${SAELENS_FILES.config} of an SAE. Give a suite, or a folder such as SUITE/blocks.3.hook_resid_post/width_2k/l0_32; published SAEs come in by hooke import.`,
  )
}

/** The model of a suite, or the one that an SAE's cfg.json names. */
async function modelOf(folder: string, sae: string): Promise<string> {
  const { readSuiteFile } = await import('../jobs/index.ts')
  const { readSaeConfig } = await import('../sae/disk.ts')
  const suite =
    (await readSuiteFile(folder)) ?? (await readSuiteFile(dirname(dirname(dirname(sae)))))
  const name = suite?.model.path ?? (await readSaeConfig(sae)).metadata.model_name
  if (typeof name === 'string') return name
  throw new CliError(`${folder} does not say its model. Give it with --model.`)
}
