/** Runs a pipeline in a thread of its own, so that the caller's thread never computes. */
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { PipelineConfig, PipelineEvent } from './config.ts'
import type { FromWorker, ToWorker } from './protocol.ts'

/** How long a thread that is done may take to end. */
const PATIENCE_MS = 10_000

/** A pipeline under way. What is asked of one that has ended is not heard. */
export type PipelineThread = {
  /**
   * `done`, or `stopped` after `stop`.
   * @throws Error what the pipeline threw, or that the thread died (out of memory).
   */
  readonly ended: Promise<'done' | 'stopped'>
  /** Waits at the end of the piece of work under way; `onPaused` tells when it does. */
  pause(): void
  resume(): void
  /** Writes its checkpoint and ends, paused or not. */
  stop(): void
}

/** Starts the pipeline in a worker thread. */
export function runInThread(
  config: PipelineConfig,
  options: { onEvent: (event: PipelineEvent) => void; onPaused: () => void },
): PipelineThread {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
    workerData: { config },
  })
  const exited = new Promise((done) => worker.once('exit', done))
  const tell = (type: ToWorker['type']) => (): void =>
    worker.postMessage({ type } satisfies ToWorker)

  const ended = new Promise<'done' | 'stopped'>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'event':
          return options.onEvent(message.event)
        case 'paused':
          return options.onPaused()
        case 'done':
        case 'stopped':
          return resolve(message.type)
        case 'failed':
          return reject(new Error(message.error))
        default:
          message satisfies never
      }
    })
    worker.on('error', reject)
    worker.on('exit', (code) =>
      reject(new Error(`the job's thread ended with code ${code} before it was done`)),
    )
  }).finally(async () => {
    // Closing its port ends the thread. One that is cut off while ONNX Runtime lets go of a session can abort the process,
    // so it gets time to end by itself.
    await Promise.race([exited, setTimeout(PATIENCE_MS, undefined, { ref: false })])
    await worker.terminate()
  })
  return { ended, pause: tell('pause'), resume: tell('resume'), stop: tell('stop') }
}
