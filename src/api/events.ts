/** What the server tells open pages. */
import { z } from '@hono/zod-openapi'
import { Run, RunPoint } from './suites.ts'

export const Event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('run'), run: Run }),
  z.object({ type: z.literal('points'), run: z.string(), points: z.array(RunPoint) }),
  /** Something the workspace shows has changed: fetch it again. */
  z.object({ type: z.literal('changed'), what: z.enum(['workspace', 'labels', 'latents']) }),
])

export type Event = z.infer<typeof Event>
