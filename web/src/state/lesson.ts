/** How far a reader is in learning, as it is remembered in this browser; what cannot be read is a fresh start. */
import { useMemo } from 'react'
import { useRemembered } from './remembered.ts'

/** The steps in order; the last one is reached by saying what steering showed. */
export const steps = ['look', 'guess', 'falsify', 'steer', 'done'] as const
/** A step. */
export type Step = (typeof steps)[number]

/** A text that the reader tried, what the guess said of it, and the largest share of its maximum that the latent reached. */
export type Trial = { readonly text: string; readonly fires: boolean; readonly strength: number }

/** Whether the text followed the latent. */
export const verdicts = ['yes', 'partly', 'no'] as const

/** One latent being learned on. */
export type Lesson = {
  /** `<sae>/<index>` */
  readonly latent: string
  readonly step: Step
  readonly guess: string
  readonly trials: readonly Trial[]
  readonly verdict?: (typeof verdicts)[number] | undefined
}

/** The lesson at hand, and the latents finished before. */
export type Progress = {
  readonly lesson?: Lesson | undefined
  readonly finished: readonly string[]
}

/** A lesson not yet begun. */
export const freshLesson = (latent: string): Lesson => ({
  latent,
  step: 'look',
  guess: '',
  trials: [],
})

/** Below this share of its maximum a latent is neither on nor off enough to decide anything. */
export const faint = 0.1

/** What a trial says of the guess. */
export function outcome({
  fires,
  strength,
}: Trial): 'as guessed' | 'miss' | 'false alarm' | 'faint' {
  if (strength > 0 && strength < faint) return 'faint'
  const fired = strength >= faint
  if (fired === fires) return 'as guessed'
  return fires ? 'miss' : 'false alarm'
}

/** Whether a guess was tried both ways, each with an answer that decides. */
export function isTried(trials: readonly Trial[]): boolean {
  const decided = trials.filter((trial) => outcome(trial) !== 'faint')
  return decided.some(({ fires }) => fires) && decided.some(({ fires }) => !fires)
}

/** Reads what was remembered. */
export function readProgress(text: string): Progress {
  const raw = parse(text)
  if (!isRecord(raw)) return { finished: [] }
  const finished = Array.isArray(raw.finished)
    ? raw.finished.filter((f) => typeof f === 'string')
    : []
  const lesson = readLesson(raw.lesson)
  return lesson ? { finished, lesson } : { finished }
}

function readLesson(raw: unknown): Lesson | undefined {
  if (!isRecord(raw) || typeof raw.latent !== 'string') return undefined
  const step = steps.find((s) => s === raw.step)
  if (step === undefined) return undefined
  return {
    latent: raw.latent,
    step,
    guess: typeof raw.guess === 'string' ? raw.guess : '',
    trials: Array.isArray(raw.trials) ? raw.trials.filter(isTrial) : [],
    verdict: verdicts.find((v) => v === raw.verdict),
  }
}

const isRecord = (raw: unknown): raw is Record<string, unknown> =>
  typeof raw === 'object' && raw !== null

const isTrial = (raw: unknown): raw is Trial =>
  isRecord(raw) &&
  typeof raw.text === 'string' &&
  typeof raw.fires === 'boolean' &&
  typeof raw.strength === 'number'

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Progress as state, kept over reloads. */
export function useProgress(): [Progress, (next: Progress) => void] {
  const [text, setText] = useRemembered('learn', '')
  const progress = useMemo(() => readProgress(text), [text])
  return [progress, (next) => setText(JSON.stringify(next))]
}
