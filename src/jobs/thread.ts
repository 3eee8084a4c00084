/** Runs a pipeline in a thread of its own, so that the caller's thread never computes. */
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { PipelineConfig, PipelineEvent } from './config.ts'
import type { FromWorker, ToWorker } from './protocol.ts'

/** How long a thread that is done may take to end. */
const PATIENCE_MS = 10_000

/**
 * The pipeline in a worker thread. Aborting `signal` lets it write its checkpoint first.
 * @returns `done`, or `stopped` after an abort.
 * @throws Error what the pipeline threw, or that the thread died (out of memory).
 */
export function runInThread(
  config: PipelineConfig,
  options: { onEvent: (event: PipelineEvent) => void; signal: AbortSignal },
): Promise<'done' | 'stopped'> {
  const { onEvent, signal } = options
  if (signal.aborted) return Promise.resolve('stopped')
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
    workerData: { config },
  })
  const ended = new Promise((done) => worker.once('exit', done))
  const stop = (): void => worker.postMessage({ type: 'stop' } satisfies ToWorker)
  signal.addEventListener('abort', stop, { once: true })

  return new Promise<'done' | 'stopped'>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'event':
          return onEvent(message.event)
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
    signal.removeEventListener('abort', stop)
    // Closing its port ends the thread. One that is cut off while ONNX Runtime lets go of a session can abort the process,
    // so it gets time to end by itself.
    await Promise.race([ended, setTimeout(PATIENCE_MS, undefined, { ref: false })])
    await worker.terminate()
  })
}
