/** Server-sent events read from a fetch body: unlike EventSource it can POST, and says why it ended. */

/**
 * Splits a stream of text into the data of its events (WHATWG HTML §9.2.6): lines end in LF, CR or CRLF, an
 * event ends at an empty line, its `data:` lines are joined with LF. Comments, names, ids and retry times are skipped.
 */
export class SseParser {
  #rest = ''
  #data: string[] = []

  /** @returns the data of every event that `chunk` completes, in order. */
  push(chunk: string): string[] {
    const events: string[] = []
    const text = this.#rest + chunk
    // A CR at the very end may be half of a CRLF: wait for what follows.
    const lines = text.split(text.endsWith('\r') ? /\r\n|\n|\r(?!$)/ : /\r\n|\n|\r/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) events.push(this.#data.join('\n'))
        this.#data = []
      } else if (line.startsWith('data:')) {
        this.#data.push(line.slice(line[5] === ' ' ? 6 : 5))
      }
    }
    return events
  }
}

/** The events of a response body, parsed as JSON; an event cut off by the end of the stream is dropped. */
export async function* readEvents<T>(response: Response): AsyncGenerator<T> {
  if (!response.body) throw new TypeError(`readEvents: ${response.url} has no body to read`)
  const parser = new SseParser()
  const decoder = new TextDecoder()
  for await (const bytes of chunksOf(response.body)) {
    for (const data of parser.push(decoder.decode(bytes, { stream: true }))) {
      yield JSON.parse(data) as T
    }
  }
}

/** What a stream holds, in order; not every browser lets one loop over it. What is left when the loop ends is let go. */
export async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
