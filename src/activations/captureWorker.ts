/**
 * The capturing thread of a stream: opens the model, and on request captures the documents of a bucket straight into shared
 * memory. Started by captureThread.ts only.
 */

import { parentPort, workerData } from 'node:worker_threads'
import type { FloatDtype } from '../formats/index.ts'
import { type HookName, openModel, type Precision } from '../model/index.ts'
import { capture } from './capture.ts'
import { selectDocuments } from './corpus.ts'
import { sumOfSquares, toStored } from './rows.ts'
import type { CapturedBatch, TokenCorpus } from './types.ts'

export type CaptureWorkerInput = {
  /** What `openModel` takes: a bundled name or a path. */
  readonly model: string
  /** The model that must be found there. */
  readonly model_hash: string
  readonly weights: Precision
  readonly threads: number
  /** In shared memory. */
  readonly corpus: TokenCorpus
  readonly hooks: readonly HookName[]
  readonly dtype: FloatDtype
  readonly batch_tokens: number
  /** Per slot and hook: room for a bucket's activations. */
  readonly slots: readonly (readonly SharedArrayBuffer[])[]
}

export type ToCaptureWorker =
  | {
      readonly type: 'fill'
      readonly job: number
      readonly slot: number
      readonly docs: Int32Array
    }
  | { readonly type: 'measure'; readonly job: number; readonly docs: Int32Array }
  | { readonly type: 'cancel'; readonly job: number }
  | { readonly type: 'close' }

export type FromCaptureWorker =
  /** Tokens captured so far. */
  | { readonly type: 'progress'; readonly job: number; readonly n_tokens: number }
  /** Per hook: sum of squares before rounding. */
  | { readonly type: 'done'; readonly job: number; readonly sum_squares: readonly number[] }
  | { readonly type: 'failed'; readonly job: number; readonly error: unknown }

const port = parentPort
if (port === null)
  throw new Error('activations/captureWorker.ts runs as a worker thread only; call openStream')
const input = workerData as CaptureWorkerInput
const send = (message: FromCaptureWorker): void => port.postMessage(message)

const opening = openModel(input.model, { threads: input.threads, weights: input.weights }).then(
  (model) => {
    if (model.hash === input.model_hash) return model
    throw new RangeError(
      `${input.model}: holds another model than the one that was planned with. Did it change meanwhile? Run it again.`,
    )
  },
)
opening.catch(() => {}) // reported by the first job
/** Jobs run one after another. */
let work: Promise<void> = Promise.resolve()
let cancelled: { job: number; stop: AbortController } | undefined

port.on('message', (message: ToCaptureWorker) => {
  switch (message.type) {
    case 'fill':
    case 'measure':
      work = work.then(() => perform(message))
      return
    case 'cancel':
      if (cancelled?.job === message.job) cancelled.stop.abort()
      return
    case 'close':
      work = work.then(async () => {
        await (await opening.catch(() => undefined))?.close()
        port.close()
      })
      return
    default:
      message satisfies never
  }
})

async function perform(
  message: Extract<ToCaptureWorker, { readonly docs: Int32Array }>,
): Promise<void> {
  const { job, docs } = message
  const { corpus, hooks, batch_tokens } = input
  const stop = new AbortController()
  cancelled = { job, stop }
  try {
    const model = await opening
    const wanted = new Set(docs)
    const part = selectDocuments(corpus, (doc) => wanted.has(doc))
    const sum_squares = hooks.map(() => 0)
    let n_tokens = 0
    for await (const batch of capture(model, part, { hooks, batch_tokens, signal: stop.signal })) {
      for (const [i, hook] of hooks.entries())
        sum_squares[i]! += sumOfSquares(batch.acts.get(hook)!, `capture: ${hook}`)
      if (message.type === 'fill') keep(batch, message.slot, n_tokens)
      n_tokens += batch.n_tokens
      send({ type: 'progress', job, n_tokens })
    }
    send({ type: 'done', job, sum_squares })
  } catch (error) {
    send({ type: 'failed', job, error })
  } finally {
    cancelled = undefined
  }
}

/** Puts a batch's rows into a slot, after the `first` that are there. */
function keep({ acts, n_tokens }: CapturedBatch, slot: number, first: number): void {
  for (const [i, hook] of input.hooks.entries()) {
    const values = acts.get(hook)!
    const width = values.length / n_tokens
    const { bytes } = toStored(values, width, input.dtype, `capture: ${hook}`)
    new Uint8Array(input.slots[slot]![i]!).set(bytes, (first * bytes.byteLength) / n_tokens)
  }
}
