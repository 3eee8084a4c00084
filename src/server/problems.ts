/** Errors as the page gets them: a status and one sentence that says what to do. */
import { inspect } from 'node:util'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { z } from 'zod'
import type { Problem } from '../api/index.ts'
import { withoutSecrets } from '../files/index.ts'

/** An error with the HTTP status it is answered with. */
export class HttpProblem extends Error {
  readonly status: ContentfulStatusCode

  constructor(status: ContentfulStatusCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'HttpProblem'
    this.status = status
  }
}

/** Nothing by that name: 404. */
export const notFound = (message: string): HttpProblem => new HttpProblem(404, message)

/**
 * The answer to an error: problems and size or kind errors in words, everything else as 500 with its message.
 * Stacks stay on the server's standard error; keys of the environment are in neither.
 */
export function answerError(error: Error, c: Context): Response {
  const body = (message: string): Problem => ({ error: withoutSecrets(message) })
  if (error instanceof HttpProblem) {
    // The rest of an overlong body is not read, so nothing else can come over this connection.
    if (error.status === 413) c.header('Connection', 'close')
    return c.json(body(error.message), error.status)
  }
  if (error instanceof HTTPException)
    return c.json(body(error.message || 'malformed request'), error.status)
  if (error instanceof RangeError || error instanceof TypeError)
    return c.json(body(error.message), 400)
  // Whoever asked has gone; nobody reads the answer.
  if (c.req.raw.signal.aborted) return c.json(body('the request was given up'), 400)
  console.error(withoutSecrets(inspect(error)))
  return c.json(body(error.message), 500)
}

/** What zod found, one line a field: `max_tokens: expected a number below 2048`. */
export function describeIssues(error: z.core.$ZodError): string {
  return error.issues
    .map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`)
    .join('; ')
}
