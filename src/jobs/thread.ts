/** Does a job in a thread of its own, so that the caller's thread never computes. */
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { FromWorker, JobEvent, ToWorker, WorkerJob } from './protocol.ts'

/** How long a thread that is done may take to end. */
const PATIENCE_MS = 10_000

type Ended = Extract<FromWorker, { type: 'done' | 'stopped' }>

/** A job under way. What is asked of one that has ended is not heard. */
export type JobThread = {
  /**
   * `done`, or `stopped` after `stop`.
   * @throws Error what the job threw, or that the thread died (out of memory).
   */
  readonly ended: Promise<Ended>
  /** Waits at the end of the piece of work under way; `onPaused` tells when it does. */
  pause(): void
  resume(): void
  /** Writes its checkpoint and ends, paused or not. */
  stop(): void
}

/** Starts the job in a worker thread. */
export function runInThread(
  job: WorkerJob,
  options: { onEvent: (event: JobEvent) => void; onPaused: () => void },
): JobThread {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
    workerData: job,
  })
  const exited = new Promise((done) => worker.once('exit', done))
  const tell = (type: ToWorker['type']) => (): void =>
    worker.postMessage({ type } satisfies ToWorker)

  const ended = new Promise<Ended>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'event':
          return options.onEvent(message.event)
        case 'paused':
          return options.onPaused()
        case 'done':
        case 'stopped':
          return resolve(message)
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
