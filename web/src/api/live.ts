/** The page's standing line to the server: applies events to the cache, reconnects, and says when the server is away. */
import type { QueryClient } from '@tanstack/react-query'
import type { Event, Run, RunPoint, Workspace } from '../../../src/server/api.ts'
import { send } from './client.ts'
import { keys } from './queries.ts'
import { readEvents } from './sse.ts'

/** `connecting` only before the first answer. */
export type LinkState = 'connecting' | 'open' | 'away'

const firstDelay_ms = 500
const longestDelay_ms = 8_000

/**
 * Keeps /api/events open until `signal` aborts. After a break it waits 0.5, 1, 2 … 8 s between attempts, and
 * refetches everything once the server is back, since what changed meanwhile is unknown.
 */
export async function keepLive(
  client: QueryClient,
  onState: (state: LinkState) => void,
  signal: AbortSignal,
): Promise<void> {
  let delay_ms = firstDelay_ms
  let wasAway = false
  while (!signal.aborted) {
    try {
      const response = await send('GET', '/api/events', undefined, signal)
      onState('open')
      delay_ms = firstDelay_ms
      if (wasAway) await client.invalidateQueries()
      for await (const event of readEvents<Event>(response)) applyEvent(client, event)
    } catch (error) {
      if (signal.aborted) return
      console.warn('events: the stream broke and will be opened again', error)
    }
    if (signal.aborted) return
    wasAway = true
    onState('away')
    await sleep(delay_ms, signal)
    delay_ms = Math.min(delay_ms * 2, longestDelay_ms)
  }
}

/** Writes one event into the cache, or marks what it made stale. */
export function applyEvent(client: QueryClient, event: Event): void {
  switch (event.type) {
    case 'run':
      client.setQueryData<Workspace>(keys.workspace, (old) =>
        old ? { ...old, runs: withRun(old.runs, event.run) } : old,
      )
      return
    case 'points':
      client.setQueryData<RunPoint[]>([...keys.points, event.run], (old) =>
        old ? withPoints(old, event.points) : old,
      )
      return
    case 'changed':
      for (const key of staleAfter[event.what]) void client.invalidateQueries({ queryKey: key })
      return
    default:
      event satisfies never
  }
}

const staleAfter = {
  workspace: [keys.workspace, keys.microscope],
  labels: [keys.microscope, keys.latent, keys.latents, keys.search, keys.workspace],
  latents: [keys.microscope, keys.latent, keys.latents, keys.search, keys.workspace],
} as const

function withRun(runs: readonly Run[], run: Run): Run[] {
  const known = runs.some((r) => r.id === run.id)
  return known ? runs.map((r) => (r.id === run.id ? run : r)) : [run, ...runs]
}

/** Appends the points that are new, by SAE and step: a reconnection may send some twice. */
function withPoints(old: readonly RunPoint[], fresh: readonly RunPoint[]): RunPoint[] {
  const seen = new Set(old.map((p) => `${p.sae} ${p.step}`))
  return [...old, ...fresh.filter((p) => !seen.has(`${p.sae} ${p.step}`))]
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
