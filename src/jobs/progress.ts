/** How far a run is and how long it will still take, from the stages' shares of the work. */
import { STAGES, type Stage } from './config.ts'

/** Expected share of the time of each stage, from the demo on two cores. Only the remaining time leans on them. */
const SHARES: Readonly<Record<Stage, number>> = {
  capture: 0.12,
  train: 0.55,
  evaluate: 0.08,
  index: 0.22,
  label: 0.03,
}

/** No forecast before this much of the work is done. */
const FORECAST_FROM = 0.02

/** Turns "stage s is at share p" into progress over the run. */
export class RunProgress {
  readonly #now: () => number
  readonly #started_ms: number
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
    if (worked < FORECAST_FROM) return { progress }
    const elapsed_ms = this.#now() - this.#started_ms
    return { progress, remaining_ms: Math.round((elapsed_ms * (1 - progress)) / worked) }
  }
}
