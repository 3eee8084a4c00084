/** `hooke compare`: two prompts, or two models, latent by latent. */
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import type { CompareSite, ModelComparison } from '../compare/index.ts'
import type { Model } from '../model/index.ts'
import { renderModels, renderPrompts } from './compareTables.ts'
import { CliError } from './errors.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf } from './modelOptions.ts'
import { type Context, DATA, realNumber, TEXT_COLUMN, wholeNumber } from './options.ts'
import { fetchModel, fetchPath } from './pull.ts'
import { openProgress } from './terminal.ts'
import { suiteEntries } from './workspace.ts'

type Options = ModelFlags & {
  prompts?: string[]
  model?: string
  data?: string[]
  text?: string
  textColumn?: string
  tokens: number
  spliceTokens: number
  maxDensity: number
  top: number
  json?: boolean
}

/** Labels of a suite: by SAE folder, then by latent. */
export type Labels = ReadonlyMap<string, ReadonlyMap<number, string>>

export function addCompareCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('compare')
    .summary('two prompts, or two models, latent by latent')
    .description(
      "With --prompts: aligns the tokens of two texts, runs both through the suite's model, and ranks the latents that are gained, lost, strengthened or weakened at every layer. With --model: runs the same text through the suite's model and another that reads the same tokens, such as one fine-tuned from it, and ranks the latents whose use differs, by how much and with what certainty.",
    )
    .argument('<suite>', 'folder of the suite, or a Hub id (owner/name)')
    .option('--prompts <texts...>', 'the two texts')
    .option('--model <model>', 'the other model: a folder in Hugging Face layout, or a Hub id')
    .option('--data <files...>', `what to compare models on: ${DATA} (default: the suite's own)`)
    .option('--text <text>', 'or this text')
    .option('--text-column <name>', TEXT_COLUMN)
    .option('--tokens <n>', 'tokens to compare models on', wholeNumber(1), 4096)
    .option(
      '--splice-tokens <n>',
      "tokens on which each SAE's cost to both models is measured, 0 for none",
      wholeNumber(0),
      1024,
    )
    .option(
      '--max-density <share>',
      'between prompts, leave out latents that fire on more than this share of tokens',
      realNumber(0, 1),
      0.1,
    )
    .option('--top <n>', 'latents to list', wholeNumber(1), 20)
    .option('--json', 'print everything as JSON')
  addModelOptions(command).action(async (asked: string, options: Options) => {
    const { prompts, model: other } = options
    if ((prompts === undefined) === (other === undefined))
      throw new CliError('compare: give either --prompts "A" "B" or --model OTHER, and not both.')
    if (prompts !== undefined && prompts.length !== 2)
      throw new CliError(
        `compare: --prompts takes two texts, found ${prompts.length}. Put each in quotation marks.`,
      )
    if (options.text !== undefined && options.data !== undefined)
      throw new CliError('compare: give --text or --data, and not both.')
    const suite = await fetchPath(asked, signal)
    const entries = await suiteEntries(suite)
    const { openModel } = await import('../model/index.ts')
    const { siteOn } = await import('../compare/disk.ts')
    const threads = options.threads
    const sites = entries.map(({ hook, path }) => siteOn(path, { id: path, hook, threads }))
    const labels = await readLabels(entries.map(({ path }) => path))
    const { readSuiteFile } = await import('../jobs/index.ts')
    const name = (await readSuiteFile(resolve(suite)))?.model.path
    if (name === undefined)
      throw new CliError(`compare: ${suite} has no suite.json, so its model is not known.`)
    const model = await openModel(await fetchModel(name, signal), modelOptionsOf(options))
    try {
      if (other === undefined) {
        const [a = '', b = ''] = prompts ?? []
        await printPrompts(model, sites, { a, b }, labels, options, signal)
        return
      }
      const tuned = await openModel(await fetchModel(other, signal), modelOptionsOf(options))
      try {
        const found = await compareWith(model, tuned, sites, suite, options, signal)
        if (options.json) console.log(JSON.stringify(withLabels(found, labels)))
        else console.log(renderModels(found, labels, options.top))
      } finally {
        await tuned.close()
      }
    } finally {
      await model.close()
    }
  })
}

async function printPrompts(
  model: Model,
  sites: readonly CompareSite[],
  prompts: { a: string; b: string },
  labels: Labels,
  { maxDensity: max_density, top, json }: Options,
  signal: AbortSignal,
): Promise<void> {
  const { comparePrompts } = await import('../compare/index.ts')
  const n_latents = Math.max(100, top)
  const found = await comparePrompts(model, sites, prompts, { max_density, n_latents, signal })
  const { showPiece } = await import('../jobs/index.ts')
  const pieceOf = (id: number) => showPiece(model.tokenizer?.pieces[id] ?? '')
  if (!json) {
    console.log(renderPrompts(found, labels, pieceOf, top))
    return
  }
  const side = ({ ids, loss }: typeof found.a) => ({
    tokens: Array.from(ids, (id) => ({ id, piece: pieceOf(id) })),
    loss,
  })
  const guesses = found.final.guesses.map((guess) => ({ ...guess, piece: pieceOf(guess.id) }))
  const said = { ...withLabels(found, labels), a: side(found.a), b: side(found.b) }
  console.log(JSON.stringify({ ...said, final: { ...found.final, guesses } }))
}

async function compareWith(
  model: Model,
  tuned: Model,
  sites: readonly CompareSite[],
  suite: string,
  options: Options,
  signal: AbortSignal,
): Promise<ModelComparison> {
  const { compareModels } = await import('../compare/index.ts')
  const { corpusOfTexts, readCorpus } = await import('../activations/index.ts')
  const { tokens: n_tokens, spliceTokens: splice_tokens, textColumn: text_column } = options
  const { n_ctx } = model.config
  if (model.tokenizer === undefined)
    throw new CliError(`compare: ${model.name} has no tokenizer.json, so it cannot read text.`)
  const corpus =
    options.text === undefined
      ? await readCorpus(options.data ?? (await ownText(suite)), model.tokenizer, {
          ...{ n_ctx, text_column, hub_tokens: n_tokens, signal },
        })
      : corpusOfTexts([options.text], model.tokenizer, { n_ctx, name: '--text' })
  const limits = { n_tokens, splice_tokens, threads: options.threads, signal }
  const line = openProgress()
  const started = performance.now()
  try {
    const n_latents = Math.max(100, options.top)
    const asked = { ...limits, n_latents }
    for await (const event of compareModels(model, tuned, sites, corpus, asked)) {
      if (event.type === 'done') return event.comparison
      const spent = performance.now() - started
      line.update(event.message, event.share, (spent * (1 - event.share)) / event.share)
    }
  } finally {
    line.clear()
  }
  throw new Error('compare: the comparison ended without a result')
}

/** The text that the suite itself is evaluated on. */
async function ownText(suite: string): Promise<readonly string[]> {
  const { readSuiteFile } = await import('../jobs/index.ts')
  const pipeline = (await readSuiteFile(resolve(suite)))?.pipeline
  const names = pipeline?.eval_data ?? pipeline?.index_data ?? pipeline?.data ?? []
  if (names.length > 0) return names
  throw new CliError(
    `compare: ${basename(suite)} knows no text of its own. Give some with --data or --text.`,
  )
}

async function readLabels(folders: readonly string[]): Promise<Labels> {
  const { readLabelsFile } = await import('../jobs/index.ts')
  const all = new Map<string, ReadonlyMap<number, string>>()
  for (const folder of folders) {
    const file = await readLabelsFile(folder)
    all.set(folder, new Map(file?.labels.map(({ latent, text }) => [latent, text])))
  }
  return all
}

/** Every listed latent with its label; sites by their hook, their folder as `path`. */
function withLabels<
  Site extends {
    readonly id: string
    readonly latents: readonly Indexed[]
    readonly apart?: readonly Indexed[]
  },
  Found extends { readonly sites: readonly Site[] },
>(found: Found, labels: Labels): object {
  const sites = found.sites.map(({ id, ...site }) => ({
    ...site,
    path: id,
    latents: named(site.latents, labels.get(id)),
    ...(site.apart ? { apart: named(site.apart, labels.get(id)) } : {}),
  }))
  return { ...found, sites }
}

const named = (latents: readonly Indexed[], labels: ReadonlyMap<number, string> | undefined) =>
  latents.map((latent) => {
    const label = labels?.get(latent.index)
    return label === undefined ? latent : { ...latent, label }
  })

type Indexed = { readonly index: number }
