/** Shapes that routes share: JSON answers with the problems that go with them. */
import type { z } from '@hono/zod-openapi'
import { Problem } from '../../api/index.ts'

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
    404: problem('There is nothing by that name'),
    503: problem('Too much is waiting'),
  }) as const
