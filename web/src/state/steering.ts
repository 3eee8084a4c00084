/** One steering run: its request, its stream, and how to stop it. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { SteerEvent, SteerRequest } from '../../../src/api/index.ts'
import { readEvents } from '../../../src/api/sse.ts'
import { send } from '../api/client.ts'

/** A generated token and its log-probability under its own side's distribution, in nats. */
export type SteerToken = {
  readonly piece: string
  /** What it adds to the text: empty while the bytes of a character are incomplete. */
  readonly text?: string | undefined
  readonly logprob: number
}

/** Where a run stands; the text so far stays whatever happens. */
export type SteerRun = {
  readonly state: 'idle' | 'running' | 'done' | 'stopped' | 'failed'
  readonly default: readonly SteerToken[]
  readonly steered: readonly SteerToken[]
  readonly error?: unknown
}

const idle: SteerRun = { state: 'idle', default: [], steered: [] }

/** A run as state. Tokens are shown once a frame, however fast they come; a new run stops the last. */
export function useSteering(): {
  run: SteerRun
  start: (request: SteerRequest) => void
  stop: () => void
} {
  const [run, setRun] = useState<SteerRun>(idle)
  const abort = useRef<AbortController>(undefined)
  useEffect(() => () => abort.current?.abort(), [])

  const start = useCallback((request: SteerRequest) => {
    abort.current?.abort()
    const own = new AbortController()
    abort.current = own
    setRun({ ...idle, state: 'running' })
    void follow(request, own.signal, (next) => {
      if (abort.current === own) setRun(next)
    })
  }, [])
  const stop = useCallback(() => abort.current?.abort(), [])
  return { run, start, stop }
}

async function follow(
  request: SteerRequest,
  signal: AbortSignal,
  show: (run: SteerRun) => void,
): Promise<void> {
  const sides: Record<'default' | 'steered', SteerToken[]> = { default: [], steered: [] }
  const now = (state: SteerRun['state']): SteerRun => ({
    state,
    default: [...sides.default],
    steered: [...sides.steered],
  })
  let frame: number | undefined
  const showSoon = () => {
    frame ??= requestAnimationFrame(() => {
      frame = undefined
      show(now('running'))
    })
  }
  const finish = (run: SteerRun) => {
    if (frame !== undefined) cancelAnimationFrame(frame)
    show(run)
  }
  try {
    const response = await send('POST', '/api/steer', request, signal)
    for await (const event of readEvents<SteerEvent>(response)) {
      if (event.type === 'token') {
        const { piece, text, logprob } = event
        sides[event.side].push({ piece, text, logprob })
        showSoon()
      } else if (event.type === 'done') return finish(now('done'))
      else return finish({ ...now('failed'), error: new Error(event.error) })
    }
    finish({ ...now('failed'), error: new Error('The stream ended before the text was done.') })
  } catch (error) {
    finish(signal.aborted ? now('stopped') : { ...now('failed'), error })
  }
}

/** exp of the mean negative log-probability, or undefined where there is no token. */
export function perplexity(tokens: readonly SteerToken[]): number | undefined {
  if (tokens.length === 0) return undefined
  return Math.exp(-tokens.reduce((sum, t) => sum + t.logprob, 0) / tokens.length)
}
