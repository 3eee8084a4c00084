/** The page's standing line to the server: applies events to the cache, reconnects, and says when the server is away. */
import type { QueryClient } from '@tanstack/react-query'
import type { Event, Run, RunPoint, Workspace } from '../../../src/api/index.ts'
import { saeName } from '../format/names.ts'
import { api } from './client.ts'
import { keys } from './queries.ts'

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
      const onOpen = () => {
        onState('open')
        delay_ms = firstDelay_ms
        if (wasAway) void client.invalidateQueries()
      }
      for await (const event of api.events({}, { signal, onOpen })) applyEvent(client, event)
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
      for (const [suite, points] of Map.groupBy(event.points, ({ sae }) => saeName(sae).suite))
        client.setQueryData<RunPoint[]>([...keys.points, suite], (old) =>
          old ? withPoints(old, points) : old,
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
  workspace: [keys.workspace, keys.microscope, keys.plots, keys.selfTests],
  labels: [
    keys.scoring,
    keys.agreement,
    keys.microscope,
    keys.latent,
    keys.latents,
    keys.search,
    keys.workspace,
  ],
  latents: [keys.microscope, keys.latent, keys.latents, keys.search, keys.workspace],
} as const

function withRun(runs: readonly Run[], run: Run): Run[] {
  const known = runs.some((r) => r.id === run.id)
  return known ? runs.map((r) => (r.id === run.id ? run : r)) : [run, ...runs]
}

/** Adds points. A step that was measured before, by this run or by one that this one goes on from, is what it is now. */
function withPoints(old: readonly RunPoint[], fresh: readonly RunPoint[]): RunPoint[] {
  const key = ({ sae, step }: RunPoint) => `${sae} ${step}`
  const again = new Set(fresh.map(key))
  return [...old.filter((p) => !again.has(key(p))), ...fresh]
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
