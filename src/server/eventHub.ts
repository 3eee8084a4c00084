/** Server-sent events to every open page: what runs are doing and what has changed. */
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { Event } from '../api/index.ts'
import { HttpProblem } from './problems.ts'

const HEARTBEAT_MS = 15_000
/** Events kept for a page that does not read; beyond it its stream ends, and when it opens another it fetches everything again. */
const BACKLOG = 1000
/** Open streams; a page needs one. */
const MAX_STREAMS = 64

type Listener = { readonly queue: Event[]; isBehind: boolean; wake: () => void }

/** Fans events out to listeners, each with its own bounded queue. */
export class EventHub {
  #listeners = new Set<Listener>()
  #closed = false

  get n_listeners(): number {
    return this.#listeners.size
  }

  /** Sends an event to every page that listens. */
  publish(event: Event): void {
    for (const listener of this.#listeners) {
      if (listener.queue.length < BACKLOG) listener.queue.push(event)
      else listener.isBehind = true
      listener.wake()
    }
  }

  /**
   * The event stream of one page: first `replay` (the state as it is), then what happens.
   * A comment line every 15 s keeps proxies from closing it.
   * @throws HttpProblem 503 where too many are open.
   */
  stream(c: Context, replay: () => Promise<readonly Event[]>): Response {
    if (this.#listeners.size >= MAX_STREAMS)
      throw new HttpProblem(
        503,
        `${MAX_STREAMS} event streams are open; close a page of Hooke and load this one again`,
      )
    return streamSSE(c, async (stream) => {
      const listener: Listener = { queue: [], isBehind: false, wake: () => {} }
      this.#listeners.add(listener)
      let open = true
      stream.onAbort(() => {
        open = false
        listener.wake()
      })
      const heartbeat = setInterval(() => void stream.write(': alive\n\n'), HEARTBEAT_MS)
      try {
        await stream.write('retry: 1000\n\n')
        for (const event of await replay()) await stream.writeSSE({ data: JSON.stringify(event) })
        while (open && !this.#closed && !listener.isBehind) {
          const woken = new Promise<void>((resolve) => {
            listener.wake = resolve
          })
          for (const event of listener.queue.splice(0))
            await stream.writeSSE({ data: JSON.stringify(event) })
          if (listener.queue.length === 0 && !listener.isBehind && open && !this.#closed)
            await woken
        }
      } finally {
        clearInterval(heartbeat)
        this.#listeners.delete(listener)
      }
    })
  }

  /** Ends every stream. */
  close(): void {
    this.#closed = true
    for (const listener of this.#listeners) listener.wake()
  }
}
