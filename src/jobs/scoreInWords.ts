/** Scoring as a job: what it reports on the way, and in words what came of it. */
import type { JobEvent } from './protocol.ts'
import { scoreSuite } from './scoreSuite.ts'
import type { DueLabel, ScoringOrder } from './scoring.ts'

/** Scores labels. @returns how many have a score now, why others have none, what was spent. @throws as `scoreSuite`. */
export async function scoreInWords(
  order: ScoringOrder,
  due: readonly DueLabel[],
  options: {
    readonly report: (event: JobEvent) => void
    readonly signal: AbortSignal
    readonly hold: () => Promise<void> | undefined
  },
): Promise<string> {
  if (due.length === 0) return 'nothing to score: no label here lacks a score by these scorers'
  const { report, ...rest } = options
  let lost: string | undefined
  const events = scoreSuite(order, due, {
    ...rest,
    onProgress: (message, progress) =>
      report({ type: 'progress', stage: 'score', message, progress }),
    onLost: (what) => {
      lost = what
    },
  })
  let n_scores = 0
  const reasons = new Map<string, number>()
  for (;;) {
    const next = await events.next()
    if (next.done) {
      const { capped, spent } = next.value
      return [
        `${n_scores} ${n_scores === 1 ? 'score' : 'scores'}`,
        ...Array.from(reasons, ([why, n]) => `${n} without: ${why}`).slice(0, N_REASONS),
        ...(reasons.size > N_REASONS ? [`${reasons.size - N_REASONS} further reasons`] : []),
        ...(capped ? ['stopped at the cap'] : []),
        ...(spent
          ? [
              `${spent.n_calls} calls${spent.cost === undefined ? '' : `, $${spent.cost.toFixed(4)}`}`,
            ]
          : []),
        ...(lost === undefined ? [] : [lost]),
      ].join('; ')
    }
    report(next.value)
    if (next.value.type === 'score') n_scores++
    else reasons.set(next.value.error, (reasons.get(next.value.error) ?? 0) + 1)
  }
}

/** Reasons that are told. */
const N_REASONS = 3
