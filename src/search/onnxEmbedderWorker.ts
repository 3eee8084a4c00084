/** A sentence encoder: tokens, one pass, the mean of the last hidden states over the tokens of each text. Started by onnxEmbedder.ts only. */
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { Tokenizer } from '@huggingface/tokenizers'
import { InferenceSession, Tensor } from '#onnxruntime'
import { pathExists, readJson } from '../files/index.ts'
import type { FromOnnx, ToOnnx } from './onnxEmbedder.ts'

const port = parentPort
if (port === null) throw new Error('search/onnxEmbedderWorker.ts runs as a worker thread only')
const { folder, model, tokenizer, threads } = workerData as {
  folder: string
  model: string
  tokenizer: string
  threads: number
}

/** Labels and queries are short; what is longer than any encoder reads is cut. */
const MOST_TOKENS = 512

type Opened = {
  readonly session: InferenceSession
  readonly encode: (text: string) => number[]
  readonly pad: number
}

async function open(): Promise<Opened> {
  const config_path = join(folder, 'config.json')
  const config = (await pathExists(config_path))
    ? ((await readJson(config_path)) as Record<string, unknown>)
    : {}
  const longest = Number(config.max_position_embeddings ?? MOST_TOKENS)
  const most = Math.max(2, Math.min(MOST_TOKENS, Number.isFinite(longest) ? longest : MOST_TOKENS))
  const pieces = new Tokenizer((await readJson(join(folder, tokenizer))) as object, {})
  const session = await InferenceSession.create(join(folder, model), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  })
  return {
    session,
    encode(text) {
      const ids = [...pieces.encode(text).ids]
      // The last token closes the text ([SEP]); it stays.
      return ids.length > most ? [...ids.slice(0, most - 1), ids.at(-1)!] : ids
    },
    pad: Number(config.pad_token_id ?? 0),
  }
}
const opened = open()
// Said to whoever asks first.
opened.catch(() => {})

async function embed(texts: readonly string[]): Promise<Float32Array[]> {
  const { session, encode, pad } = await opened
  const rows = texts.map(encode)
  const n_tokens = Math.max(1, ...rows.map((ids) => ids.length))
  const shape = [rows.length, n_tokens]
  const filled = (value: (row: number, token: number) => number) => {
    const data = new BigInt64Array(rows.length * n_tokens)
    for (let row = 0; row < rows.length; row++)
      for (let token = 0; token < n_tokens; token++)
        data[row * n_tokens + token] = BigInt(value(row, token))
    return new Tensor('int64', data, shape)
  }
  const inputs: Record<string, Tensor> = {
    input_ids: filled((row, token) => rows[row]![token] ?? pad),
    attention_mask: filled((row, token) => (token < rows[row]!.length ? 1 : 0)),
    token_type_ids: filled(() => 0),
  }
  const unknown = session.inputNames.filter((name) => !(name in inputs))
  if (unknown.length > 0)
    throw new Error(
      `the encoder asks for ${unknown.join(', ')}, expected input_ids, attention_mask and perhaps token_type_ids`,
    )
  const outputs = await session.run(
    Object.fromEntries(session.inputNames.map((name) => [name, inputs[name]!])),
  )
  const name = 'last_hidden_state' in outputs ? 'last_hidden_state' : session.outputNames[0]!
  const { dims, data } = outputs[name]!
  if (dims.length !== 3 || dims[0] !== rows.length || dims[1] !== n_tokens)
    throw new Error(
      `the encoder's ${name} has shape [${dims.join(', ')}], expected [${rows.length}, ${n_tokens}, d]: hidden states of every token`,
    )
  const d = dims[2]!
  return rows.map((ids, row) => {
    const mean = new Float32Array(d)
    for (let token = 0; token < ids.length; token++)
      for (let i = 0; i < d; i++)
        mean[i]! += (data as Float32Array)[(row * n_tokens + token) * d + i]! / ids.length
    return mean
  })
}

let turn: Promise<unknown> = Promise.resolve()
port.on('message', ({ id, texts }: ToOnnx) => {
  turn = turn.then(async () => {
    try {
      port.postMessage({ id, vectors: await embed(texts) } satisfies FromOnnx)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      port.postMessage({ id, error: message } satisfies FromOnnx)
    }
  })
})
