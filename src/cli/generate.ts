/** `hooke generate`: text from a model, streamed; or many sampled documents to a file. */
import { gzipSync } from 'node:zlib'
import type { Command } from 'commander'
import { CliError } from './errors.ts'
import { type Context, wholeNumber } from './options.ts'
import { fetchModel } from './pull.ts'
import { addSamplingOptions, type SamplingFlags, samplingOf } from './sampling.ts'
import { openProgress } from './terminal.ts'

type Options = SamplingFlags & {
  prompt?: string
  samples?: number
  out?: string
  threads: number
  json?: boolean
}

export function addGenerateCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('generate')
    .summary('text from a model')
    .description(
      'Goes on from a prompt, streaming. With --samples it samples whole documents from the start of text and writes them to --out, separated by lines <|endoftext|> (.gz is compressed).',
    )
    .argument(
      '<model>',
      'a bundled name, a folder in Hugging Face layout, or a Hub id (owner/name)',
    )
    .option('--prompt <text>', 'text to go on from')
    .option('--samples <n>', 'sample this many documents instead', wholeNumber(1))
    .option('--out <file>', 'file for --samples')
    .option('--threads <n>', 'threads (0: one a core)', wholeNumber(0), 0)
    .option('--json', 'print the text with its tokens as JSON')
  addSamplingOptions(command, { temperature: 1 }).action(async (name: string, options: Options) => {
    const { generate, openModel } = await import('../model/index.ts')
    if ((options.prompt === undefined) === (options.samples === undefined))
      throw new CliError('generate: give either --prompt or --samples, and not both.')
    const model = await openModel(await fetchModel(name, signal), { threads: options.threads })
    const sampling = { ...samplingOf(options), signal }
    try {
      if (options.samples !== undefined) {
        if (options.out === undefined) throw new CliError('generate: --samples needs --out.')
        await sampleToFile(model, options.samples, options.out, sampling)
        return
      }
      const prompt = options.prompt ?? ''
      const tokens: { id: number; piece: string; logprob: number }[] = []
      let text = ''
      if (!options.json) process.stdout.write(prompt)
      for await (const token of generate(model, { prompt, ...sampling })) {
        text += token.text
        tokens.push({ id: token.id, piece: token.piece, logprob: token.logprob })
        if (!options.json) process.stdout.write(token.text)
      }
      if (options.json) console.log(JSON.stringify({ prompt, text, tokens }))
      else process.stdout.write('\n')
    } finally {
      await model.close()
    }
  })
}

async function sampleToFile(
  model: import('../model/index.ts').Model,
  n_docs: number,
  out: string,
  sampling: Omit<import('../model/index.ts').SampleOptions, 'n_docs'>,
): Promise<void> {
  const { sampleDocuments } = await import('../model/index.ts')
  const { DOCUMENT_SEPARATOR } = await import('../activations/index.ts')
  const { writeFileAtomic } = await import('../files/index.ts')
  const progress = openProgress()
  const started = performance.now()
  const texts: string[] = []
  let [n, n_tokens] = [0, 0]
  for await (const { text, ids } of sampleDocuments(model, { n_docs, ...sampling })) {
    n++
    if (text.trim() !== '') {
      texts.push(text)
      n_tokens += ids.length
    }
    const elapsed = performance.now() - started
    progress.update(
      `sampling: ${n} of ${n_docs} documents`,
      n / n_docs,
      (elapsed / n) * (n_docs - n),
    )
  }
  progress.clear()
  const joined = texts.join(`\n${DOCUMENT_SEPARATOR}\n`)
  await writeFileAtomic(out, out.endsWith('.gz') ? gzipSync(joined, { level: 9 }) : joined)
  console.log(
    `${texts.length} documents, ${n_tokens} tokens (${n_docs - texts.length} empty ones left out), written to ${out}`,
  )
}
