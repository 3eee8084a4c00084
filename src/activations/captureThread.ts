/** The capturing thread of a stream as its owner sees it: one job at a time, cancelled by a signal, ended in peace. */

import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { CaptureWorkerInput, FromCaptureWorker, ToCaptureWorker } from './captureWorker.ts'

/** How long the thread may take to end by itself. */
const EXIT_MS = 10_000

type Job = {
  readonly id: number
  readonly resolve: (sum_squares: readonly number[]) => void
  readonly reject: (error: unknown) => void
  readonly onProgress: (n_tokens: number) => void
}

/** A thread with a model of its own. */
export class CaptureThread {
  readonly #worker: Worker
  readonly #exited: Promise<unknown>
  #job: Job | undefined
  #n_jobs = 0
  /** Why the thread is no longer there. */
  #failure: unknown

  constructor(input: CaptureWorkerInput) {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./captureWorker.${extension}`, import.meta.url), {
      workerData: input,
    })
    this.#exited = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.#worker.on('message', (message: FromCaptureWorker) => this.#hear(message))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', (code) =>
      this.#fail(new Error(`capture: its thread ended with code ${code} before it was done`)),
    )
  }

  /**
   * Captures documents, into a slot or for their norms alone.
   * @param docs [n] indices, any order; rows are laid in the order of `capture` over these documents.
   * @returns per hook, sum of squares of the activations before rounding.
   * @throws what the capture threw; the signal's reason once the thread has let go of the slot.
   */
  async run(
    job: { readonly slot?: number; readonly docs: Int32Array },
    options: { signal?: AbortSignal; onProgress?: (n_tokens: number) => void } = {},
  ): Promise<readonly number[]> {
    const { signal, onProgress = () => {} } = options
    signal?.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure
    if (this.#job !== undefined) throw new Error('capture: the thread is at work already')
    const id = ++this.#n_jobs
    const { slot, docs } = job
    const cancel = (): void => this.#send({ type: 'cancel', job: id })
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      const sum_squares = await new Promise<readonly number[]>((resolve, reject) => {
        this.#job = { id, resolve, reject, onProgress }
        this.#send(
          slot === undefined
            ? { type: 'measure', job: id, docs }
            : { type: 'fill', job: id, slot, docs },
        )
      })
      signal?.throwIfAborted()
      return sum_squares
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      this.#job = undefined
      signal?.removeEventListener('abort', cancel)
    }
  }

  /**
   * Ends the thread. It gets time to end by itself: one that is cut off while ONNX Runtime lets go of a session can abort
   * the process.
   */
  async close(): Promise<void> {
    if (this.#job !== undefined) this.#send({ type: 'cancel', job: this.#job.id })
    this.#send({ type: 'close' })
    await Promise.race([this.#exited, setTimeout(EXIT_MS, undefined, { ref: false })])
    await this.#worker.terminate()
  }

  #send(message: ToCaptureWorker): void {
    this.#worker.postMessage(message)
  }

  #hear(message: FromCaptureWorker): void {
    const job = this.#job
    if (job === undefined || job.id !== message.job) return
    switch (message.type) {
      case 'progress':
        job.onProgress(message.n_tokens)
        return
      case 'done':
        job.resolve(message.sum_squares)
        return
      case 'failed':
        job.reject(message.error)
        return
      default:
        message satisfies never
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#job?.reject(this.#failure)
  }
}
