/** One sweep: its request, its points as they come, and how to stop it. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { Intervention, SweepEvent, SweepRequest } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'

/** A sweep with its strengths decided. */
export type DecidedSweep = SweepRequest & {
  strengths: number[]
  interventions: Intervention[]
}

type Event<T extends SweepEvent['type']> = Extract<SweepEvent, { type: T }>

/** What was measured at one strength. */
export type SweepPoint = Event<'point'>

/** Where a sweep stands; what was measured so far stays whatever happens. */
export type SweepRun = {
  readonly state: 'idle' | 'running' | 'done' | 'stopped' | 'failed'
  /** What was swept, and what its texts go on from. */
  readonly prompt: string
  readonly interventions: readonly Intervention[]
  /** All strengths that were asked for, ascending. */
  readonly strengths: readonly number[]
  /** 0 to 1. */
  readonly share: number
  readonly plain?: Event<'default'>
  readonly points: readonly SweepPoint[]
  readonly rule?: string
  readonly error?: unknown
}

const idle: SweepRun = {
  state: 'idle',
  prompt: '',
  interventions: [],
  strengths: [],
  share: 0,
  points: [],
}

/** A sweep as state; a new one stops the last. */
export function useSweep(): {
  sweep: SweepRun
  start: (request: DecidedSweep) => void
  stop: () => void
} {
  const [sweep, setSweep] = useState<SweepRun>(idle)
  const abort = useRef<AbortController>(undefined)
  useEffect(() => () => abort.current?.abort(), [])
  const start = useCallback((request: DecidedSweep) => {
    abort.current?.abort()
    const own = new AbortController()
    abort.current = own
    void follow(request, own.signal, (next) => abort.current === own && setSweep(next))
  }, [])
  const stop = useCallback(() => abort.current?.abort(), [])
  return { sweep, start, stop }
}

async function follow(
  request: DecidedSweep,
  signal: AbortSignal,
  show: (run: SweepRun) => void,
): Promise<void> {
  const { interventions, strengths, chat } = request
  const prompt = chat === undefined ? request.prompt : ''
  let run: SweepRun = { ...idle, state: 'running', prompt, interventions, strengths }
  const change = (part: Partial<SweepRun>) => {
    run = { ...run, ...part }
    show(run)
  }
  try {
    change({})
    for await (const event of api.sweep(request, { signal })) {
      switch (event.type) {
        case 'progress':
          change({ share: event.n_done / event.n_total })
          break
        case 'default':
          change({ plain: event })
          break
        case 'point':
          change({ points: [...run.points, event] })
          break
        case 'done':
          return change({ state: 'done', share: 1, rule: event.rule })
        case 'error':
          throw new Error(event.error)
        default:
          event satisfies never
      }
    }
    throw new Error('The stream ended before the sweep was done.')
  } catch (error) {
    change(signal.aborted ? { state: 'stopped' } : { state: 'failed', error })
  }
}
