/** One run: what it does, how far, how long still; and the ways to pause it, let it go on and stop it. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { Run } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { applyEvent } from '../api/live.ts'
import { remaining } from '../format/numbers.ts'
import { useKeys } from '../state/keys.ts'
import { isUnderWay } from '../state/runs.ts'
import { Failure } from './Notice.tsx'

/** What can be done about a run. */
const change = { pause: api.pauseRun, continue: api.continueRun, stop: api.stopRun } as const
type RunChange = keyof typeof change

/** What can be done about a run in each state, in the order of the buttons. */
const changes = {
  queued: ['stop'],
  running: ['pause', 'stop'],
  paused: ['continue', 'stop'],
  stopped: ['continue'],
  failed: ['continue'],
  done: [],
} as const satisfies Record<Run['state'], RunChange[]>

const words = {
  pause: ['Pause', 'Pausing…'],
  continue: ['Continue', 'Continuing…'],
  stop: ['Stop', 'Stopping…'],
} as const satisfies Record<RunChange, readonly [string, string]>

/** The line. */
export function RunLine(props: { run: Run }) {
  const { run } = props
  const client = useQueryClient()
  const changing = useMutation({
    mutationFn: (to: RunChange) => change[to]({ id: run.id }),
    onSuccess: (changed) => applyEvent(client, { type: 'run', run: changed }),
  })
  const possible: readonly RunChange[] = changes[run.state]
  const hold = possible.find((to) => to !== 'stop')
  useKeys({
    p: () => {
      if (hold && !changing.isPending) changing.mutate(hold)
    },
  })
  return (
    <section className="run" aria-label="Run">
      <div className="run-line">
        <span className={`state ${run.state}`}>{run.state}</span>
        <span className="run-message">{run.message === run.state ? '' : run.message}</span>
        <span className="quiet">
          {run.state === 'paused'
            ? remaining(run.remaining_ms).replace('left', 'of work left')
            : isUnderWay(run) && remaining(run.remaining_ms)}
        </span>
        <span className="run-changes">
          {possible.map((to) => {
            const isComing = changing.isPending && changing.variables === to
            return (
              <button
                key={to === 'stop' ? 'stop' : 'hold'}
                type="button"
                disabled={changing.isPending}
                onClick={() => changing.mutate(to)}
              >
                {words[to][isComing ? 1 : 0]}
              </button>
            )
          })}
        </span>
      </div>
      {isUnderWay(run) && (
        <progress max={1} value={run.progress} aria-label={`${run.kind}: ${run.message}`} />
      )}
      {run.error && <Failure error={run.error} />}
      {changing.error && <Failure error={changing.error} />}
    </section>
  )
}
