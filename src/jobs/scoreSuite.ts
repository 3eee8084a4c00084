/**
 * Scores labels of a suite on texts that their makers have not seen.
 *
 * 1. The model reads text, once for a few SAEs: where do their latents fire, where not?
 * 2. For every label the texts are chosen that it is judged on.
 * 3. The scorers ask, cheap ones first, the labels in their order; each score is handed out at once.
 */

import {
  type Activity,
  EXPLAINERS,
  materialOf,
  type ScorerName,
  type Subject,
  scoreLabels,
  type Task,
  writeSteered,
} from '../label/index.ts'
import { loadSae } from '../sae/disk.ts'
import type { Sae, SaeEntry } from '../sae/index.ts'
import type { ScoreEntry } from '../store/index.ts'
import type { AskingEnd, AskingOptions } from './asking.ts'
import { judgeOf, openJudges } from './judges.ts'
import { readLabelsFile } from './labelsFile.ts'
import { type DueLabel, entriesOf, type ScoringOrder, scorerNames, withLatents } from './scoring.ts'
import { openSuiteText, type SuiteText } from './suiteText.ts'

/** A score that was found, or why there is none. */
export type ScoringResult =
  | { readonly type: 'score'; readonly score: ScoreEntry }
  | {
      readonly type: 'failed'
      readonly label: number
      readonly scorer: ScorerName
      readonly error: string
    }

/** SAEs whose activations are held at once: the model reads the text once for so many. */
const N_TOGETHER = 4
/** Of the progress, the reading of text. */
const READING = 0.4

/** A label with all that its scoring needs. */
type Claim = { readonly due: DueLabel; readonly path: string; readonly subject: Subject }

/**
 * Yields each result as soon as it is there.
 * @throws Error where somebody is to be asked and nobody can be; CallError where the server refuses all; the signal's reason.
 */
export async function* scoreSuite(
  order: ScoringOrder,
  due: readonly DueLabel[],
  options: AskingOptions,
): AsyncGenerator<ScoringResult, AskingEnd, void> {
  const { signal, onProgress, hold = () => undefined } = options
  const judges = await openJudges(order, options)
  let text: SuiteText | undefined
  try {
    text = await openSuiteText(order.out, {
      ...order,
      signal,
      hold,
      onProgress,
    })
    const claims = await gather(order, due, text, options)
    const tasks = tasksOf(claims, { order, text, signal, hold })
    const n_tasks = due.reduce((n, { scorers }) => n + scorers.length, 0)
    const events = scoreLabels(tasks, judges.asker, signal)
    for (let n_done = 0; ; n_done++) {
      onProgress(`scoring: ${n_done} of ${n_tasks}`, READING + (1 - READING) * (n_done / n_tasks))
      const next = await events.next()
      if (next.done) {
        const capped = next.value.stopped
        return { capped, ...(judges.asks ? { spent: judges.asker.spent() } : {}) }
      }
      const { id: label, scorer } = next.value
      yield next.value.type === 'failed'
        ? { type: 'failed', label, scorer, error: next.value.error }
        : {
            type: 'score',
            score: { label, scorer, judge: judgeOf(scorer, order), ...next.value.score },
          }
    }
  } finally {
    await text?.close()
    await judges.close()
  }
}

/** Finds the texts that each label is judged on, in the order of the labels. */
async function gather(
  order: ScoringOrder,
  due: readonly DueLabel[],
  text: SuiteText,
  { signal, onProgress }: AskingOptions,
): Promise<Claim[]> {
  const claims = new Map<number, Claim>()
  const entries = await entriesOf(order.out)
  const by_sae = Map.groupBy(due, ({ sae }) => sae)
  // In the order of the layers: what is read together is about as deep.
  const saes = [...entries.keys()].flatMap((sae) => {
    const labels = by_sae.get(sae)
    return labels ? [[sae, labels] as const] : []
  })
  for (let n = 0; n < saes.length; n += N_TOGETHER) {
    const together = saes.slice(n, n + N_TOGETHER)
    const activities = await text.activities(
      together.map(([sae]) => entries.get(sae)!),
      'scoring',
      (message, share) =>
        onProgress(message, (READING * (n + share * together.length)) / saes.length),
    )
    for (const [i, [sae, labels]] of together.entries())
      for (const claim of await claimsOf(labels, {
        entry: entries.get(sae)!,
        activity: activities[i]!,
        pieces: text.pieces,
        order,
        signal,
      }))
        claims.set(claim.due.label.id, claim)
  }
  return due.map(({ label }) => claims.get(label.id)!)
}

/** The labels of one SAE with their texts. */
async function claimsOf(
  labels: readonly DueLabel[],
  of: {
    entry: SaeEntry
    activity: Activity
    pieces: readonly string[]
    order: ScoringOrder
    signal: AbortSignal
  },
): Promise<Claim[]> {
  const { entry, activity, pieces, order, signal } = of
  const written = await readLabelsFile(entry.path)
  const in_file = new Map(written?.labels.map((each) => [each.latent, each]))
  const ours = Object.keys(EXPLAINERS).map((name) => `(${name})`)
  return withLatents(entry, async (file) => {
    const claims: Claim[] = []
    for (const due of labels) {
      signal.throwIfAborted()
      const { latent, text, method, author } = due.label
      const record = await file.record(latent)
      const saw_share = method === 'llm' && ours.some((name) => author.endsWith(name))
      const lexical = in_file.get(latent)
      const subject = {
        label: text.replaceAll(/\s+/g, ' '),
        claim: lexical?.text === text ? lexical.claim : undefined,
        record,
        material: materialOf(record, activity, {
          n_examples: order.n_examples,
          context: file.info.context,
          seen: saw_share ? 'share' : 'all',
        }),
        pieces,
        name: `${entry.hook}/${latent}`,
        thinking_tokens: order.ask?.thinking_tokens ?? 0,
      }
      claims.push({ due, path: entry.path, subject })
    }
    return claims
  })
}

/** Cheap scorers first, within each the labels in their order. */
async function* tasksOf(
  claims: readonly Claim[],
  run: {
    order: ScoringOrder
    text: SuiteText
    signal: AbortSignal
    hold: () => Promise<void> | undefined
  },
): AsyncGenerator<Task> {
  const { order, text, signal, hold } = run
  let loaded: { path: string; sae: Sae } | undefined
  for (const scorer of scorerNames)
    for (const { due, path, subject } of claims) {
      if (!due.scorers.includes(scorer)) continue
      await hold()
      signal.throwIfAborted()
      const { id } = due.label
      if (scorer !== 'causal') {
        yield { id, scorer, subject }
        continue
      }
      if (loaded?.path !== path) loaded = { path, sae: await loadSae(path) }
      const { index: latent, max_act } = subject.record
      const { strength } = order
      const turned_up = { sae: loaded.sae, latent, mode: 'add', strength, max_act } as const
      const generated = await writeSteered(text.model, turned_up, signal)
      yield { id, scorer, subject: { ...subject, generated } }
    }
}
