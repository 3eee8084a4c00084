import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { EventHub } from './eventHub.ts'

/** One for each event of a stream, until it ends. */
async function* eventsOf({ body }: Response): AsyncGenerator<true> {
  const decoder = new TextDecoder()
  for await (const bytes of body ?? [])
    for (const _ of decoder.decode(bytes).matchAll(/^data:/gm)) yield true
}

it('ends the stream of a page that reads too slowly, and only that: what it missed it fetches when it comes again', async () => {
  const hub = new EventHub()
  const app = new Hono().get('/', (c) => hub.stream(c, async () => []))
  const [slow, quick] = [await app.request('/'), await app.request('/')]
  let n_quick = 0
  const reading = (async () => {
    for await (const _ of eventsOf(quick)) n_quick++
  })()
  await expect.poll(() => hub.n_listeners).toBe(2)
  const publish = (n: number) => {
    for (let i = 0; i < n; i++) hub.publish({ type: 'changed', what: 'labels' })
  }
  for (let n = 0; n < 3_000; n += 500) {
    publish(500)
    await expect.poll(() => n_quick).toBe(n + 500)
  }
  let n_slow = 0
  for await (const _ of eventsOf(slow)) n_slow++
  expect(n_slow).toBeGreaterThanOrEqual(500)
  expect(n_slow).toBeLessThan(2_500)
  await expect.poll(() => hub.n_listeners).toBe(1)
  publish(1)
  await expect.poll(() => n_quick).toBe(3_001)
  hub.close()
  await reading
})
