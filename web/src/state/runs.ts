/** States of runs, as the page tells them apart. */
import type { Run } from '../../../src/api/index.ts'

/** Whether something works on a run, or waits to. */
export const isUnderWay = ({ state }: Run): boolean =>
  state === 'queued' || state === 'running' || state === 'paused'

/** What is shown of the runs of a suite: those that are under way, and the newest where it ended before its end. */
export function shownRuns(runs: readonly Run[], suite: string | undefined): Run[] {
  const own = runs.filter((run) => run.suite === undefined || run.suite === suite)
  return own.filter((run, i) => isUnderWay(run) || (i === 0 && run.state !== 'done'))
}

/** What a run does, in words, or at what it was paused. */
export const runMessage = ({ state, message }: Run): string =>
  state === 'paused' ? `paused at ${message}` : message
