/** One stream of everything that changes; on connect it begins with the runs as they are. */
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { Event } from '../../api/index.ts'
import { listRuns } from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { eventStream } from './answers.ts'

const eventsRoute = createRoute({
  method: 'get',
  path: '/api/events',
  responses: eventStream(Event, 'Runs, training points, and word that something has changed'),
})

export function addEventRoutes(app: OpenAPIHono, { db, hub }: ServerContext): void {
  app.openapi(eventsRoute, (c) =>
    hub.stream(c, async () => (await listRuns(db)).map((run) => ({ type: 'run', run }))),
  )
}
