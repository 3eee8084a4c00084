/** The server's side of the inference thread: calls go over, answers and streams come back, aborted calls are cancelled. */
import { Worker } from 'node:worker_threads'
import type {
  CallKind,
  FromInference,
  InferenceCalls,
  InferenceStreams,
  StreamKind,
  ToInference,
} from './inferenceProtocol.ts'
import { HttpProblem } from './problems.ts'
import type { ModelSettings } from './workbench.ts'

/** Calls waiting or running at once; beyond it a request is refused rather than queued for minutes. */
const MAX_CALLS = 32

type Pending = {
  readonly onAnswer: (answer: unknown) => void
  readonly onItem: (item: unknown) => void
  readonly onError: (error: Error) => void
}

/** A thread with its own open model and SAEs. It starts at the first call and again after it has died. */
export class Inference {
  readonly #options: ModelSettings
  #worker: Worker | undefined
  #pending = new Map<number, Pending>()
  #next_id = 1

  /** @param options how models are opened; its threads are the SAEs' too. */
  constructor(options: ModelSettings) {
    this.#options = options
  }

  /** One request, one answer. @throws HttpProblem what the thread found wrong; AbortError if `signal` fires first. */
  call<K extends CallKind>(
    kind: K,
    request: InferenceCalls[K]['request'],
    signal?: AbortSignal,
  ): Promise<InferenceCalls[K]['answer']> {
    return new Promise((resolve, reject) => {
      this.#start(kind, request, signal, {
        onAnswer: (answer) => resolve(answer as InferenceCalls[K]['answer']),
        onItem: () => {},
        onError: reject,
      })
    })
  }

  /** One request, its items as they come. Breaking off the loop cancels it. */
  async *stream<K extends StreamKind>(
    kind: K,
    request: InferenceStreams[K]['request'],
    signal?: AbortSignal,
  ): AsyncGenerator<InferenceStreams[K]['item']> {
    const items: InferenceStreams[K]['item'][] = []
    let finished = false
    let failure: Error | undefined
    let wake = (): void => {}
    const stop = new AbortController()
    this.#start(kind, request, signal ? AbortSignal.any([signal, stop.signal]) : stop.signal, {
      onAnswer: () => {
        finished = true
        wake()
      },
      onItem: (item) => {
        items.push(item as InferenceStreams[K]['item'])
        wake()
      },
      onError: (error) => {
        failure = error
        wake()
      },
    })
    try {
      while (true) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve
        })
        yield* items.splice(0)
        if (failure) throw failure
        if (finished && items.length === 0) return
        if (items.length === 0) await woken
      }
    } finally {
      stop.abort()
    }
  }

  /** Ends the thread; calls under way are refused. */
  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#failAll(new HttpProblem(503, 'the server is closing'))
    if (worker) {
      worker.postMessage({ type: 'close' } satisfies ToInference)
      await new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    }
  }

  #start(
    kind: CallKind | StreamKind,
    request: object,
    signal: AbortSignal | undefined,
    pending: Pending,
  ): void {
    if (signal?.aborted) {
      pending.onError(signal.reason as Error)
      return
    }
    if (this.#pending.size >= MAX_CALLS) {
      pending.onError(
        new HttpProblem(503, `${MAX_CALLS} requests are waiting for the model; try again shortly`),
      )
      return
    }
    const id = this.#next_id++
    const onAbort = () => {
      this.#post({ type: 'cancel', id })
      settle()
      pending.onError(signal?.reason as Error)
    }
    const settle = () => {
      this.#pending.delete(id)
      signal?.removeEventListener('abort', onAbort)
    }
    this.#pending.set(id, {
      onAnswer: (answer) => {
        settle()
        pending.onAnswer(answer)
      },
      onItem: pending.onItem,
      onError: (error) => {
        settle()
        pending.onError(error)
      },
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#post({ type: 'call', id, kind, request } as ToInference)
  }

  #post(message: ToInference): void {
    this.#worker ??= this.#open()
    this.#worker.postMessage(message)
  }

  #open(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./inferenceWorker.${extension}`, import.meta.url), {
      workerData: this.#options,
    })
    worker.on('message', (message: FromInference) => {
      const pending = this.#pending.get(message.id)
      switch (message.type) {
        case 'answer':
          return pending?.onAnswer(message.answer)
        case 'item':
          return pending?.onItem(message.item)
        case 'error':
          return pending?.onError(new HttpProblem(message.status, message.error))
        default:
          message satisfies never
      }
    })
    const died = (cause: unknown) => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      this.#failAll(
        new HttpProblem(500, 'the inference thread ended unexpectedly; try again', { cause }),
      )
    }
    worker.on('error', died)
    worker.on('exit', (code) => died(new Error(`exit code ${code}`)))
    return worker
  }

  #failAll(error: Error): void {
    for (const pending of [...this.#pending.values()]) pending.onError(error)
  }
}
