/** How far a run is and how long it will still take, from the stages' shares of the work. */
import { STAGES, type Stage } from './config.ts'

/** Expected share of the time of each stage, measured on the demo on two quiet cores. Only the remaining time leans on them. */
const SHARES: Readonly<Record<Stage, number>> = {
  capture: 0.21,
  train: 0.48,
  evaluate: 0.07,
  index: 0.18,
  label: 0.06,
}

/** No forecast before this much of the work is done and this long was worked: the first seconds tell little. */
const FORECAST_FROM = 0.05
const FORECAST_AFTER_MS = 5000

/** Turns "stage s is at share p" into progress over the run. */
export class RunProgress {
  readonly #now: () => number
  /** When there was no progress yet for the last time: opening the model and reading the text are not speed. */
  #started_ms: number
  #skipped = 0

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#started_ms = now()
  }

  /** A stage that was found done on disk: it counts as progress, not as speed. */
  skip(stage: Stage): void {
    this.#skipped += SHARES[stage]
  }

  /**
   * @param share of the stage, 0 to 1.
   * @returns progress 0 to 1 over the run; remaining_ms once enough was done to tell.
   */
  at(stage: Stage, share: number): { progress: number; remaining_ms?: number } {
    const before = STAGES.slice(0, STAGES.indexOf(stage)).reduce((sum, s) => sum + SHARES[s], 0)
    const progress = Math.min(1, before + SHARES[stage] * Math.min(1, Math.max(0, share)))
    const worked = progress - this.#skipped
    if (worked <= 0) this.#started_ms = this.#now()
    const elapsed_ms = this.#now() - this.#started_ms
    if (worked < FORECAST_FROM || elapsed_ms < FORECAST_AFTER_MS) return { progress }
    return { progress, remaining_ms: Math.round((elapsed_ms * (1 - progress)) / worked) }
  }
}
