/** What routes share: JSON answers with the problems that go with them, and streams of events. */
import type { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import { Problem } from '../../api/index.ts'
import { withoutSecrets } from '../../files/index.ts'

const problem = (description: string) => ({
  description,
  content: { 'application/json': { schema: Problem } },
})

/** A JSON answer, and the problems any route may answer with instead. */
export const answers = <T extends z.ZodType>(schema: T, description: string) =>
  ({
    200: { description, content: { 'application/json': { schema } } },
    400: problem('The request is not what this route expects'),
    404: problem('There is nothing by that name'),
    409: problem('Not possible in the present state'),
    500: problem('The server failed'),
    503: problem('Too much is waiting'),
  }) as const

/** A required JSON body. */
export const jsonBody = <T extends z.ZodType>(schema: T) =>
  ({ required: true, content: { 'application/json': { schema } } }) as const

/** A stream of server-sent events, each a JSON value of `schema`. */
export const eventStream = (schema: z.ZodType, description: string) =>
  ({
    200: { description, content: { 'text/event-stream': { schema } } },
    400: problem('The request is not what this route expects'),
    403: problem('The owner of the server does not allow it'),
    404: problem('There is nothing by that name'),
    503: problem('Too much is waiting'),
  }) as const

/** Sends events on until the reader goes away; what goes wrong is the last of them. */
export function relay(c: Context, open: (signal: AbortSignal) => AsyncGenerator<object>): Response {
  const stop = new AbortController()
  return streamSSE(c, async (stream) => {
    stream.onAbort(() => stop.abort())
    const write = (event: object) => stream.writeSSE({ data: JSON.stringify(event) })
    try {
      for await (const event of open(stop.signal)) await write(event)
    } catch (error) {
      if (stop.signal.aborted) return
      const message = error instanceof Error ? error.message : String(error)
      await write({ type: 'error', error: withoutSecrets(message) })
    }
  })
}
