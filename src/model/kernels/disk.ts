/** The door to the compiled kernels' files and to threads. Node only: in a browser, fetch and Worker take its place. */

import { readFileSync } from 'node:fs'
import { parentPort, Worker, workerData } from 'node:worker_threads'

/** @throws Error if the kernels have not been compiled, saying how. */
export function readKernels(file: string): Uint8Array<ArrayBuffer> {
  const path = new URL(file, import.meta.url)
  try {
    return new Uint8Array(readFileSync(path))
  } catch (cause) {
    throw new Error(
      `model: the compiled kernels are missing (${path.pathname}); run: npm run build:kernels`,
      { cause },
    )
  }
}

/** What a thread of a team starts from. */
export type ThreadInput = {
  readonly module: WebAssembly.Module
  readonly memories: readonly WebAssembly.Memory[]
  readonly control: SharedArrayBuffer
}

/** A running thread. `exited` keeps the process alive until the thread has ended by itself. */
export type TeamThread = { exited(): Promise<void> }

/** Resolves when the thread is ready; from then on it does not keep the process alive. */
export function startThread(input: ThreadInput): Promise<TeamThread> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./teamWorker.${extension}`, import.meta.url), {
    workerData: input,
  })
  const exit = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', (code) =>
      reject(new Error(`model: a thread of kernels ended with code ${code} before it began`)),
    )
    worker.once('message', () => {
      worker.unref()
      resolve({
        exited: () => {
          worker.ref()
          return exit
        },
      })
    })
  })
}

/** In a thread: what it was started with, having said that it is ready. */
export function receiveInput(): ThreadInput {
  parentPort!.postMessage('ready')
  return workerData as ThreadInput
}
