/** `hooke embed`: vectors of a suite's labels, for search by meaning. */
import { basename, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { EmbedderSource } from '../store/index.ts'
import { type Context, wholeNumber } from './options.ts'
import { openSuiteDatabase } from './workspace.ts'

type Options = {
  model: string
  baseUrl?: string
  queryPrefix?: string
  textPrefix?: string
  batch: number
  replace?: boolean
  threads: number
  json?: boolean
}

export function addEmbedCommand(program: Command, { signal }: Context): void {
  program
    .command('embed')
    .summary('vectors of labels, for search by meaning')
    .description(
      'Embeds the labels in force of a suite and keeps the vectors in its database (pgvector). Run again, it goes on with the labels that have none yet. With --base-url the model is one of an OpenAI-compatible API, its key in HOOKE_EMBED_API_KEY or OPENAI_API_KEY; the labels are sent there. Without it, a sentence encoder that runs here: a folder or Hub id with tokenizer.json and onnx/model.onnx.',
    )
    .argument('<suite>', 'folder of the suite')
    .requiredOption('--model <name>', "a folder, a Hub id, or the API's name of a model")
    .option('--base-url <url>', 'an OpenAI-compatible API, e.g. http://localhost:11434/v1', address)
    .option('--query-prefix <text>', 'what the model wants before a query ("query: " for E5)')
    .option('--text-prefix <text>', 'what it wants before a text ("passage: " for E5)')
    .option('--batch <n>', 'labels at a time', wholeNumber(1, 2048), 64)
    .option('--replace', 'drop the vectors that are there first')
    .option('--threads <n>', 'threads of a local encoder', wholeNumber(1, 256), 2)
    .option('--json', 'print the result as JSON')
    .action(async (suite: string, options: Options) => {
      const { openEmbedder, embedLabels } = await import('../search/index.ts')
      const db = await openSuiteDatabase(suite)
      try {
        const source = await sourceOf(options)
        const embedder = await openEmbedder(source, { threads: options.threads })
        try {
          const done = await embedLabels(db, basename(resolve(suite)), embedder, {
            batch: options.batch,
            signal,
            ...(options.replace ? { replace: true } : {}),
            onProgress: progressLine(),
          })
          console.log(
            options.json
              ? JSON.stringify({ ...done, model: source.model })
              : `${done.n_embedded} of ${done.n_labels} labels have a vector of ${source.model}`,
          )
        } finally {
          await embedder.close()
        }
      } finally {
        await db.close()
      }
    })
}

async function sourceOf(options: Options): Promise<EmbedderSource> {
  const { model, baseUrl, queryPrefix, textPrefix } = options
  const { pathExists } = await import('../files/index.ts')
  const prefixes = {
    ...(queryPrefix === undefined ? {} : { query_prefix: queryPrefix }),
    ...(textPrefix === undefined ? {} : { text_prefix: textPrefix }),
  }
  if (baseUrl !== undefined) return { kind: 'api', model, base_url: baseUrl, ...prefixes }
  // A path is kept whole, so that it opens from any working directory.
  const lasting = (await pathExists(model)) ? resolve(model) : model
  return { kind: 'onnx', model: lasting, ...prefixes }
}

/** A line on standard error at most once a second, with the time left at the mean speed so far. */
function progressLine(): (progress: { n_embedded: number; n_labels: number }) => void {
  const started = performance.now()
  let first: number | undefined
  let said = started
  return ({ n_embedded, n_labels }) => {
    first ??= n_embedded
    const now = performance.now()
    if (now - said < 1_000) return
    said = now
    const rate = (n_embedded - first) / (now - started)
    const left = rate > 0 ? `, ${Math.ceil((n_labels - n_embedded) / rate / 1_000)} s left` : ''
    console.error(`embedding: ${n_embedded} of ${n_labels} labels${left}`)
  }
}

function address(value: string): string {
  if (!/^https?:\/\//.test(value) || !URL.canParse(value))
    throw new InvalidArgumentError('expected an address like http://localhost:11434/v1.')
  return value
}
