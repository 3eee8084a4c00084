/**
 * Scores labels by asking.
 *
 * 1. A scorer makes all its questions about a label, or says what it lacks.
 * 2. They are asked side by side; an answer that cannot be read is asked for once more, with what was wrong with it.
 * 3. Only where every question has its answer is there a score.
 */
import { type Asker, CapError } from '../ask/asker.ts'
import { CallError } from '../ask/call.ts'
import type { CallAnswer, Question } from '../ask/question.ts'
import { sideBySide } from '../ask/sideBySide.ts'
import { causal } from './causal.ts'
import { detection } from './detection.ts'
import { embedding } from './embedding.ts'
import { fuzzing } from './fuzzing.ts'
import { intruder } from './intruder.ts'
import { lexical } from './lexical.ts'
import { simulation } from './simulation.ts'
import type { Asked, Measured, Scorer, Subject } from './types.ts'

/** Scorers by name, the cheapest first. */
export const SCORERS = {
  lexical,
  embedding,
  intruder,
  detection,
  fuzzing,
  causal,
  simulation,
} as const satisfies Record<string, Scorer>

export type ScorerName = keyof typeof SCORERS

/** A label to be scored; `id` is the caller's. */
export type Task = { readonly id: number; readonly scorer: ScorerName; readonly subject: Subject }

export type ScoreEvent = { readonly id: number; readonly scorer: ScorerName } & (
  | { readonly type: 'score'; readonly score: Measured }
  | { readonly type: 'failed'; readonly error: string }
)

/** All questions of a task; none where it lacks something. */
export function questionsOf({ scorer, subject }: Task): Question[] {
  const plan = SCORERS[scorer](subject)
  return 'lacks' in plan ? [] : plan.asked.map(({ question }) => question)
}

/**
 * Works on tasks in their order, yielding each result as soon as it is there; at the cap it takes no more of them.
 * @returns whether the cap stopped it.
 * @throws CallError when the server refuses the key or does not know the language model; the signal's reason when aborted.
 */
export async function* scoreLabels(
  tasks: Iterable<Task> | AsyncIterable<Task>,
  asker: Asker,
  signal?: AbortSignal,
): AsyncGenerator<ScoreEvent, { stopped: boolean }, void> {
  let stopped = false
  const work = async (task: Task) => {
    try {
      return { task, score: await scoreOf(task, asker) }
    } catch (error) {
      if (error instanceof CapError) stopped = true
      return { task, error }
    }
  }
  const pool = { width: asker.concurrency, isOver: () => stopped }
  for await (const { task, score, error } of sideBySide(tasks, pool, work)) {
    signal?.throwIfAborted()
    // Where embeddings are refused, other scorers may still be answered.
    if (error instanceof CallError && error.fatal && task.scorer !== 'embedding') throw error
    if (error instanceof CapError) continue
    const { id, scorer } = task
    if (score) yield { type: 'score', id, scorer, score }
    else
      yield {
        type: 'failed',
        id,
        scorer,
        error: error instanceof Error ? error.message : `${error}`,
      }
  }
  return { stopped }
}

/** @throws Error, CallError, CapError where there is no score. */
async function scoreOf({ scorer, subject }: Task, asker: Asker): Promise<Measured> {
  const plan = SCORERS[scorer](subject)
  if ('lacks' in plan) throw new Error(plan.lacks)
  // All are waited for: what was paid is in the journal before anybody gives up.
  const settled = await Promise.allSettled(plan.asked.map((asked) => answerTo(asked, asker)))
  const answers = settled.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
  const measured = plan.measure(answers)
  if (!measured) throw new Error('the answers are all alike, so that nothing can be measured')
  return measured
}

async function answerTo({ question, read }: Asked, asker: Asker): Promise<number[]> {
  const answer = await asker.ask(question)
  try {
    return readWhole(answer, read)
  } catch (error) {
    if (question.kind !== 'chat') throw error
    const again = `${question.user}\n\nYour last answer could not be read: ${(error as Error).message}. Answer with the JSON object alone.`
    return readWhole(await asker.ask({ ...question, user: again }), read)
  }
}

function readWhole(answer: CallAnswer, read: Asked['read']): number[] {
  if (!answer.complete) throw new Error('the answer was cut at its longest')
  return read(answer)
}
