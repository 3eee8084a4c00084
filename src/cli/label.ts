/** `hooke label`: labels by hand, from words, or by a language model. */
import { basename, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { LatentFile } from '../latents/disk.ts'
import { CliError } from './errors.ts'
import { type Context, realNumber, TEXT_COLUMN, wholeNumber } from './options.ts'
import { runStages } from './pipelineRun.ts'
import { suiteConfig } from './suiteConfig.ts'
import { openProgress } from './terminal.ts'
import { openSuiteDatabase, parseLatent, suiteEntries } from './workspace.ts'

type Options = {
  latent?: string
  author: string
  data?: string[]
  textColumn?: string
  explainer: 'lexical' | 'llm'
  baseUrl?: string
  model?: string
  latents: number
  maxCost?: number
  priceIn?: number
  priceOut?: number
  concurrency?: number
  estimate?: boolean
  json?: boolean
}

export function addLabelCommand(program: Command, { signal }: Context): void {
  program
    .command('label')
    .summary('label latents by hand, from words, or by a language model')
    .description(
      [
        'hooke label SUITE --latent HOOK/INDEX "text"   a label of your own',
        'hooke label SUITE                              a lexical label for every latent, from the words around it',
        'hooke label SUITE --explainer llm              asks a language model behind any OpenAI-compatible URL; the key is',
        '                                               read from OPENAI_API_KEY; the price is printed first and capped;',
        '                                               run again, it goes on and pays nothing twice',
      ].join('\n'),
    )
    .argument('<suite>', 'folder of the suite')
    .argument('[text]', 'the label, with --latent')
    .option('--latent <hook/index>', 'the latent that [text] labels')
    .option('--author <name>', 'who says so, with --latent', process.env.USER ?? 'me')
    .addOption(
      new Option('--explainer <how>', 'who labels').choices(['lexical', 'llm']).default('lexical'),
    )
    .option(
      '--data <files...>',
      "text whose words a lexical label is held against (default: the suite's own)",
    )
    .option('--text-column <name>', TEXT_COLUMN)
    .option('--base-url <url>', 'OpenAI-compatible server (default: OpenAI)')
    .option('--model <id>', 'language model (default: gpt-4o-mini)')
    .option('--latents <n>', 'label the n most used latents of each SAE', wholeNumber(1), 200)
    .option(
      '--max-cost <dollars>',
      'stop before this is spent (default: 1 where prices are known)',
      realNumber(0, 1e6),
    )
    .option(
      '--price-in <dollars>',
      'per million input tokens, where the list price is not known',
      realNumber(0, 1e6),
    )
    .option('--price-out <dollars>', 'per million output tokens', realNumber(0, 1e6))
    .option('--concurrency <n>', 'calls under way at once', wholeNumber(1, 256))
    .option('--estimate', 'print what it would cost, and stop')
    .option('--json', 'print results as JSON lines')
    .action(async (suite: string, text: string | undefined, options: Options) => {
      if ((text === undefined) !== (options.latent === undefined))
        throw new CliError('label: a text and --latent HOOK/INDEX go together.')
      if (text !== undefined && options.latent !== undefined) {
        await labelByHand(suite, text, options.latent, options)
      } else if (options.explainer === 'lexical') {
        await runStages(await suiteConfig(suite, options), {
          stages: ['label'],
          signal,
        })
        await (await openSuiteDatabase(suite)).close()
        console.log(`${suite}: every latent that was indexed has a lexical label`)
      } else await labelByModel(suite, options, signal)
    })
}

async function labelByHand(
  suite: string,
  text: string,
  name: string,
  options: Options,
): Promise<void> {
  const { addLabel } = await import('../store/index.ts')
  const { saeId } = await import('../jobs/index.ts')
  const { entry, latent } = parseLatent(name, await suiteEntries(suite))
  const db = await openSuiteDatabase(suite)
  try {
    const sae = saeId(basename(resolve(suite)), entry)
    const label = await addLabel(db, {
      sae,
      latent,
      text,
      method: 'manual',
      author: options.author,
      evidence: 'by hand',
    })
    console.log(
      options.json
        ? JSON.stringify(label)
        : `${entry.hook}/${latent}: "${label.text}" by ${label.author}`,
    )
  } finally {
    await db.close()
  }
}

async function labelByModel(suite: string, options: Options, signal: AbortSignal): Promise<void> {
  const { addLabel, labelledLatents } = await import('../store/index.ts')
  const { EXPLAIN_DEFAULTS, estimateCost, explainLatents, listPrices } = await import(
    '../label/index.ts'
  )
  const { openLatents } = await import('../latents/disk.ts')
  const { readPieces, saeId } = await import('../jobs/index.ts')
  const author = options.model ?? EXPLAIN_DEFAULTS.model
  if ((options.priceIn === undefined) !== (options.priceOut === undefined))
    throw new CliError('label: --price-in and --price-out go together.')
  const prices =
    options.priceIn !== undefined && options.priceOut !== undefined
      ? { input: options.priceIn, output: options.priceOut }
      : options.baseUrl === undefined
        ? listPrices(author)
        : undefined
  if (options.maxCost !== undefined && prices === undefined)
    throw new CliError(
      `label: --max-cost needs the prices of ${author}, which are not known. Give --price-in and --price-out in dollars per million tokens.`,
    )
  const pieces = await readPieces(suite)
  if (pieces === undefined)
    throw new CliError(
      `label: ${suite} has no pieces.json, the model's vocabulary. Run hooke index ${suite} first.`,
    )
  const db = await openSuiteDatabase(suite)
  const progress = openProgress()
  let left = options.maxCost ?? (prices === undefined ? undefined : 1)
  try {
    for (const entry of await suiteEntries(suite)) {
      const sae = saeId(basename(resolve(suite)), entry)
      const latents = await openLatents(entry.path)
      try {
        const labelled = new Set(await labelledLatents(db, sae, 'llm', author))
        const wanted = (await mostUsed(latents, options.latents)).filter(
          (latent) => !labelled.has(latent),
        )
        const sample = await Promise.all(
          wanted.slice(0, 20).map((latent) => latents.record(latent)),
        )
        const estimate = estimateCost(sample, {
          pieces,
          n_latents: wanted.length,
          model: author,
          prices,
        })
        console.error(
          `${entry.hook}: ${wanted.length} latents to label (${labelled.size} are), about ${estimate.input_tokens} tokens in, ${estimate.output_tokens} out, ${estimate.cost === undefined ? 'price not known' : `about $${estimate.cost.toFixed(4)}`}`,
        )
        if (options.estimate || wanted.length === 0) continue
        let n_done = 0
        for await (const event of explainLatents(records(latents, wanted), {
          pieces,
          model: author,
          prices,
          signal,
          max_cost: left,
          api_key: process.env.OPENAI_API_KEY,
          ...(options.baseUrl === undefined ? {} : { base_url: options.baseUrl }),
          ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
        })) {
          if (event.type === 'done') {
            progress.clear()
            if (left !== undefined) left -= event.cost ?? 0
            console.error(
              `${entry.hook}: ${event.n_labelled} labelled, ${event.n_failed} failed, ${event.input_tokens} tokens in, ${event.output_tokens} out${event.cost === undefined ? '' : `, $${event.cost.toFixed(4)}`}`,
            )
            if (event.stopped) {
              console.error('stopped at --max-cost; raise it and run the same command to go on')
              return
            }
            continue
          }
          progress.update(
            `labelling ${entry.hook}: ${++n_done} of ${wanted.length}`,
            n_done / wanted.length,
          )
          const name = `${entry.hook}/${event.latent}`
          if (event.type === 'failed') {
            progress.clear()
            console.error(`${name}: no label: ${event.error}`)
            continue
          }
          const { latent, text, method, evidence } = event
          await addLabel(db, { sae, latent, text, method, author, evidence })
          progress.clear()
          console.log(options.json ? JSON.stringify({ latent: name, text }) : `${name}: ${text}`)
        }
      } finally {
        await latents.close()
      }
    }
  } finally {
    progress.clear()
    await db.close()
  }
}

/** Indices of the latents that fire most often, those that never fire left out. */
async function mostUsed(latents: LatentFile, n: number): Promise<number[]> {
  const n_active = await latents.column('n_active')
  return Array.from(n_active.keys())
    .filter((latent) => n_active[latent]! > 0)
    .sort((a, b) => n_active[b]! - n_active[a]! || a - b)
    .slice(0, n)
}

async function* records(latents: LatentFile, indices: readonly number[]) {
  for (const index of indices) yield latents.record(index)
}
