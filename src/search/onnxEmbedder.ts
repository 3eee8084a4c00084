/** The thread of a local sentence encoder, seen from outside. */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { FileError, pathExists } from '../files/index.ts'
import { parseHubAddress, pullFiles } from '../hub/index.ts'
import type { RawEmbedder } from './embedder.ts'

export type ToOnnx = { readonly id: number; readonly texts: readonly string[] }
export type FromOnnx =
  | { readonly id: number; readonly vectors: Float32Array[] }
  | { readonly id: number; readonly error: string }

/** What a sentence encoder consists of, in Hugging Face's layout. */
const MODEL = 'onnx/model.onnx'
const TOKENIZER = 'tokenizer.json'

/**
 * Opens the encoder of a folder, or of a Hub id, whose files are fetched where they are not in the cache.
 * @throws FileError where tokenizer.json or onnx/model.onnx is missing; HubError where the Hub refuses.
 */
export async function openOnnxEmbedder(model: string, threads: number): Promise<RawEmbedder> {
  const folder = await folderOf(model)
  for (const name of [TOKENIZER, MODEL])
    if (!(await pathExists(join(folder, name))))
      throw new FileError(
        join(folder, name),
        'ENOENT',
        `${folder} has no ${name}, expected a sentence encoder with ${TOKENIZER} and ${MODEL} (Sentence Transformers' layout for ONNX).`,
      )
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./onnxEmbedderWorker.${extension}`, import.meta.url), {
    workerData: { folder, model: MODEL, tokenizer: TOKENIZER, threads },
  })
  worker.unref()
  const pending = new Map<number, PromiseWithResolvers<Float32Array[]>>()
  let failure: Error | undefined
  const fail = (error: Error) => {
    failure ??= new Error(`${model}: ${error.message}`, { cause: error })
    for (const { reject } of pending.values()) reject(failure)
    pending.clear()
  }
  worker.on('error', fail)
  worker.on('exit', () => fail(new Error('its thread has ended')))
  worker.on('message', (message: FromOnnx) => {
    const call = pending.get(message.id)
    pending.delete(message.id)
    if ('vectors' in message) call?.resolve(message.vectors)
    else call?.reject(new Error(`${model}: ${message.error}`))
    if (pending.size === 0) worker.unref()
  })
  let next_id = 0
  return {
    embed(texts, signal) {
      signal?.throwIfAborted()
      if (failure) return Promise.reject(failure)
      const id = next_id++
      const call = Promise.withResolvers<Float32Array[]>()
      pending.set(id, call)
      // Waiting for it must keep the program alive; being open must not.
      worker.ref()
      worker.postMessage({ id, texts } satisfies ToOnnx)
      return call.promise
    },
    async close() {
      await worker.terminate()
    },
  }
}

async function folderOf(model: string): Promise<string> {
  if (await pathExists(model)) return model
  const address = parseHubAddress(model)
  if (address === undefined || address.path !== undefined)
    throw new FileError(
      model,
      'ENOENT',
      `${model}: there is no such folder, and it is no Hub id (owner/name) either.`,
    )
  return pullFiles({ id: model, include: [TOKENIZER, '*.json', MODEL, `${MODEL}_data`] })
}
