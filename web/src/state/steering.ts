/** Steering runs: one text, or the turns of a chat; their streams, and how to stop them. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { SteerRequest, SteerSide } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'

/** The sides in the order in which they stand. */
export const sides = ['default', 'steered', 'prompted'] as const satisfies SteerSide[]

/** A generated token with its log-probabilities in nats. */
export type SteerToken = {
  readonly piece: string
  /** What it adds to the text: empty while the bytes of a character are incomplete. */
  readonly text?: string | undefined
  /** Under its own side's distribution. */
  readonly logprob: number
  /** Under the model as it is, behind the plain prompt; known when the texts are done. */
  readonly plain_logprob?: number | undefined
}

/** One prompt, and what each side makes of it. */
export type SteerTurnRun = { readonly prompt: string } & {
  readonly [side in SteerSide]: readonly SteerToken[]
}

/** Where a run stands; the text so far stays whatever happens. */
export type SteerRun = {
  readonly state: 'idle' | 'running' | 'done' | 'stopped' | 'failed'
  readonly turns: readonly SteerTurnRun[]
  /** What it is run with, as JSON: turns of other settings are no history of it. */
  readonly settings: string
  readonly error?: unknown
}

type Settings = Omit<SteerRequest, 'prompt' | 'chat'>

const idle: SteerRun = { state: 'idle', turns: [], settings: '' }

/** A run as state. Tokens are shown once a frame, however fast they come; a new run stops the last. */
export function useSteering(): {
  run: SteerRun
  /** One text. */
  write: (prompt: string, settings: Settings) => void
  /** A chat: turns that this run has answered with the same settings stay, the others are answered anew. */
  talk: (said: readonly string[], settings: Settings) => void
  stop: () => void
  clear: () => void
} {
  const [run, setRun] = useState<SteerRun>(idle)
  const latest = useRef(run)
  const abort = useRef<AbortController>(undefined)
  useEffect(() => () => abort.current?.abort(), [])

  const begin = useCallback((said: readonly string[], settings: Settings, isChat: boolean) => {
    abort.current?.abort()
    const own = new AbortController()
    abort.current = own
    const key = JSON.stringify(settings)
    const kept = isChat ? answered(latest.current, said, key) : []
    void follow({ said, kept, settings, key, isChat }, own.signal, (next) => {
      if (abort.current !== own) return
      latest.current = next
      setRun(next)
    })
  }, [])
  const write = useCallback(
    (prompt: string, settings: Settings) => begin([prompt], settings, false),
    [begin],
  )
  const talk = useCallback(
    (said: readonly string[], settings: Settings) => begin(said, settings, true),
    [begin],
  )
  const stop = useCallback(() => abort.current?.abort(), [])
  const clear = useCallback(() => {
    abort.current?.abort()
    abort.current = undefined
    latest.current = idle
    setRun(idle)
  }, [])
  return { run, write, talk, stop, clear }
}

/** The turns of a run that a chat can go on from. */
function answered(run: SteerRun, said: readonly string[], key: string): readonly SteerTurnRun[] {
  if (run.settings !== key) return []
  const whole = run.state === 'done' ? run.turns : run.turns.slice(0, -1)
  const first = whole.findIndex(({ prompt }, i) => prompt !== said[i])
  return (first < 0 ? whole : whole.slice(0, first)).slice(0, said.length - 1)
}

type Asked = {
  readonly said: readonly string[]
  readonly kept: readonly SteerTurnRun[]
  readonly settings: Settings
  readonly key: string
  readonly isChat: boolean
}

async function follow(
  { said, kept, settings, key, isChat }: Asked,
  signal: AbortSignal,
  show: (run: SteerRun) => void,
): Promise<void> {
  const turns: SteerTurnRun[] = [...kept]
  const now = (state: SteerRun['state'], error?: unknown): SteerRun => ({
    state,
    turns: [...turns],
    settings: key,
    ...(error === undefined ? {} : { error }),
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
    for (const prompt of said.slice(kept.length)) {
      const place = turns.length
      const chat = isChat ? { chat: turns.map(historyOf) } : {}
      turns.push({ prompt, default: [], steered: [], prompted: [] })
      show(now('running'))
      for await (const turn of turnOf({ ...settings, prompt, ...chat }, signal)) {
        turns[place] = turn
        showSoon()
      }
    }
    finish(now('done'))
  } catch (error) {
    finish(signal.aborted ? now('stopped') : now('failed', error))
  }
}

/** One turn as it grows. */
async function* turnOf(request: SteerRequest, signal: AbortSignal): AsyncGenerator<SteerTurnRun> {
  const own: Record<SteerSide, SteerToken[]> = { default: [], steered: [], prompted: [] }
  const now = (): SteerTurnRun => ({
    prompt: request.prompt,
    default: [...own.default],
    steered: [...own.steered],
    prompted: [...own.prompted],
  })
  for await (const event of api.steer(request, { signal })) {
    switch (event.type) {
      case 'token': {
        const { side, piece, text, logprob } = event
        own[side].push({ piece, text, logprob })
        break
      }
      case 'done':
        for (const side of sides)
          own[side] = own[side].map((token, i) => ({
            ...token,
            plain_logprob: event.logprobs[side]?.[i],
          }))
        yield now()
        return
      case 'error':
        throw new Error(event.error)
      default:
        event satisfies never
    }
    yield now()
  }
  throw new Error('The stream ended before the text was done.')
}

const historyOf = (turn: SteerTurnRun) => ({
  user: turn.prompt,
  default: textOf(turn.default),
  steered: textOf(turn.steered),
  prompted: textOf(turn.prompted),
})

const textOf = (tokens: readonly SteerToken[]): string =>
  tokens.map(({ text, piece }) => text ?? piece).join('')

/** Perplexity under the model as it is, or undefined where that is not known or there is no token. */
export function perplexity(tokens: readonly SteerToken[]): number | undefined {
  const logprobs = tokens.flatMap((token) => token.plain_logprob ?? [])
  if (logprobs.length === 0 || logprobs.length < tokens.length) return undefined
  return Math.exp(-logprobs.reduce((sum, x) => sum + x, 0) / logprobs.length)
}
