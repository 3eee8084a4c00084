/** `hooke generate`: text from a model, streamed; or many sampled documents to a file. */
import { gzipSync } from 'node:zlib'
import type { Command } from 'commander'
import { conversationOf } from './conversation.ts'
import { CliError } from './errors.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf } from './modelOptions.ts'
import { type Context, wholeNumber } from './options.ts'
import { fetchModel } from './pull.ts'
import { addSamplingOptions, type SamplingFlags, samplingOf } from './sampling.ts'
import { openProgress } from './terminal.ts'

type Options = SamplingFlags &
  ModelFlags & {
    prompt?: string
    chat?: boolean
    system?: string
    messages?: string
    samples?: number
    out?: string
    json?: boolean
  }

export function addGenerateCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('generate')
    .summary('text from a model')
    .description(
      'Goes on from a prompt, streaming. With --chat the prompt is what a user says, and the model answers. With --samples it samples whole documents from the start of text and writes them to --out, separated by lines <|endoftext|> (.gz is compressed).',
    )
    .argument(
      '<model>',
      'a bundled name, a folder in Hugging Face layout, or a Hub id (owner/name)',
    )
    .option('--prompt <text>', 'text to go on from')
    .option('--chat', 'answer the prompt as the chat template of the model has it')
    .option('--system <text>', 'with --chat: what the model is told before')
    .option('--messages <file>', 'with --chat: earlier turns, a JSON list of {role, content}')
    .option('--samples <n>', 'sample this many documents instead', wholeNumber(1))
    .option('--out <file>', 'file for --samples')
    .option('--json', 'print the text with its tokens as JSON')
  addModelOptions(command)
  addSamplingOptions(command, { temperature: 1 }).action(async (name: string, options: Options) => {
    const { chatEnds, generate, openModel, renderChat, tokenizeChat } = await import(
      '../model/index.ts'
    )
    checkTask(options)
    const messages = options.chat ? await conversationOf(options) : undefined
    const model = await openModel(await fetchModel(name, signal), modelOptionsOf(options))
    const sampling = { ...samplingOf(options), signal }
    try {
      if (options.samples !== undefined) {
        if (options.out === undefined) throw new CliError('generate: --samples needs --out.')
        await sampleToFile(model, options.samples, options.out, sampling)
        return
      }
      const prompt = messages === undefined ? (options.prompt ?? '') : renderChat(model, messages)
      const start =
        messages === undefined
          ? { prompt }
          : { ids: tokenizeChat(model, messages), stop: chatEnds(model) }
      const tokens: { id: number; piece: string; logprob: number }[] = []
      let text = ''
      if (!options.json && messages === undefined) process.stdout.write(prompt)
      for await (const token of generate(model, { ...start, ...sampling })) {
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

function checkTask({ prompt, samples, chat, system, messages }: Options): void {
  if (!chat && (system !== undefined || messages !== undefined))
    throw new CliError('generate: --system and --messages need --chat.')
  if (chat && samples !== undefined)
    throw new CliError('generate: give either --chat or --samples, and not both.')
  if (!chat && (prompt === undefined) === (samples === undefined))
    throw new CliError('generate: give either --prompt or --samples, and not both.')
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
