/** Work that asks, as a job: what it reports on the way, and in words what came of it. */
import type { AskingEnd, AskingOptions } from './asking.ts'
import { explainSuite } from './explainSuite.ts'
import type { AskingJob, JobEvent } from './protocol.ts'
import { scoreSuite } from './scoreSuite.ts'

/** Reasons that are told. */
const N_REASONS = 3

/** Scores or makes labels. @returns how many there are now, why others are missing, what was spent. @throws as `scoreSuite` and `explainSuite`. */
export async function askInWords(
  job: AskingJob,
  options: Pick<AskingOptions, 'signal' | 'hold'> & { report: (event: JobEvent) => void },
): Promise<string> {
  const { report, ...rest } = options
  let lost: string | undefined
  const asking: AskingOptions = {
    ...rest,
    onProgress: (message, progress) =>
      report({ type: 'progress', stage: job.kind, message, progress }),
    onLost: (what) => {
      lost = what
    },
  }
  if (job.due.length === 0) return 'nothing to do: what was ordered is there already'
  const events =
    job.kind === 'score'
      ? scoreSuite(job.order, job.due, asking)
      : explainSuite(job.order, job.due, asking)
  let n_found = 0
  /** By the words of a reason, without its numbers. */
  const reasons = new Map<string, { first: string; n: number }>()
  for (;;) {
    const next = await events.next()
    if (next.done) {
      const what = job.kind === 'score' ? 'score' : 'label'
      return [
        `${n_found} ${what}${n_found === 1 ? '' : 's'}`,
        ...reasonsInWords([...reasons.values()]),
        ...spentInWords(next.value),
        ...(lost === undefined ? [] : [lost]),
      ].join('; ')
    }
    report(next.value)
    if (!('error' in next.value)) n_found++
    else {
      const { error } = next.value
      const kind = error.replaceAll(/\d+/g, '#')
      const { first, n } = reasons.get(kind) ?? { first: error, n: 0 }
      reasons.set(kind, { first, n: n + 1 })
    }
  }
}

const reasonsInWords = (reasons: readonly { first: string; n: number }[]): string[] => [
  ...reasons
    .slice(0, N_REASONS)
    .map(({ first, n }) => `${n} without${n > 1 ? ', such as' : ''}: ${first}`),
  ...(reasons.length > N_REASONS ? [`${reasons.length - N_REASONS} further reasons`] : []),
]

const spentInWords = ({ capped, spent }: AskingEnd): string[] => [
  ...(capped ? ['stopped at the cap'] : []),
  ...(spent
    ? [`${spent.n_calls} calls${spent.cost === undefined ? '' : `, $${spent.cost.toFixed(4)}`}`]
    : []),
]
