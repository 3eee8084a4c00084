/** Which labels of a suite are to be scored, by whom, and what it would cost: known before any text is read. */
import { basename } from 'node:path'
import {
  estimateCost,
  priorityOf,
  type Question,
  questionsOf,
  SCORERS,
  type ScorerName,
  type Steered,
  type Usage,
} from '../label/index.ts'
import { openLatents } from '../latents/disk.ts'
import type { LatentRecord } from '../latents/index.ts'
import { listSuite } from '../sae/disk.ts'
import type { SaeEntry } from '../sae/index.ts'
import {
  type ClaimedLabel,
  claimedLabels,
  type Database,
  type LabelMethod,
  type SaeId,
} from '../store/index.ts'
import { saeId } from './importSuite.ts'
import { isFree, type Judges, judgeOf } from './judges.ts'
import { readPieces } from './pieces.ts'

/** An order to score labels. Plain JSON: it waits in the queue. */
export type ScoringOrder = Judges & {
  /** The suite's folder. */
  readonly out: string
  /** The n latents of each SAE that come first, or just these. */
  readonly latents: number | readonly { readonly sae: SaeId; readonly latent: number }[]
  readonly scorers: readonly ScorerName[]
  /** Labels by whom. */
  readonly methods: readonly LabelMethod[]
  /** Text to test on instead of the suite's own. */
  readonly data?: readonly string[] | undefined
  readonly text_column?: string | undefined
  /** Tokens of text to read. */
  readonly n_tokens: number
  /** Texts of each kind, firing and silent, a label. */
  readonly n_examples: number
  /** Causal: in units of the latent's maximum. */
  readonly strength: number
}

export const SCORING_DEFAULTS = {
  latents: 200,
  methods: ['manual', 'llm', 'lexical'],
  n_tokens: 100_000,
  n_examples: 20,
  strength: 2,
} as const satisfies Partial<ScoringOrder>

/** A label and the scores that it lacks. */
export type DueLabel = {
  readonly label: ClaimedLabel
  readonly sae: SaeId
  readonly scorers: readonly ScorerName[]
}

/** What a scorer would ask. */
export type ScoringCost = Usage & {
  readonly scorer: ScorerName
  readonly n_labels: number
  readonly n_calls: number
  /** Dollars; absent where prices are not known. */
  readonly cost?: number
}

/** Labels whose questions an estimate is made from. */
const N_SAMPLED = 20

/** Scorers by name, the cheapest first. */
export const scorerNames = Object.keys(SCORERS) as ScorerName[]

/** The labels that lack a score that is ordered, those first that fire most and disagree most. */
export async function dueLabels(db: Database, order: ScoringOrder): Promise<DueLabel[]> {
  const { latents, methods } = order
  const lacks = ({ method, scored }: ClaimedLabel, scorer: ScorerName) =>
    (scorer !== 'lexical' || method === 'lexical') &&
    !scored.includes(`${scorer} ${judgeOf(scorer, order)}`)
  const found: (DueLabel & { priority: number })[] = []
  for (const [sae, entry] of await entriesOf(order.out)) {
    const only =
      typeof latents === 'number'
        ? undefined
        : latents.filter((one) => one.sae === sae).map(({ latent }) => latent)
    if (only?.length === 0) continue
    const labels = await claimedLabels(db, sae, only)
    if (labels.length === 0) continue
    const n_active = await withLatents(entry, (file) => file.column('n_active'))
    const ranked = [...Map.groupBy(labels, ({ latent }) => latent)]
      .filter(([latent]) => n_active[latent]! > 0)
      .map(([latent, own]) => {
        const texts = own.map(({ text }) => text)
        return { own, priority: priorityOf(n_active[latent]!, texts) }
      })
      .sort((a, b) => b.priority - a.priority)
    for (const { own, priority } of typeof latents === 'number' ? ranked.slice(0, latents) : ranked)
      for (const label of own) {
        const scorers = order.scorers.filter((scorer) => lacks(label, scorer))
        if (methods.includes(label.method) && scorers.length > 0)
          found.push({ label, sae, scorers, priority })
      }
  }
  found.sort((a, b) => b.priority - a.priority)
  return found.map(({ priority: _, ...due }) => due)
}

/**
 * What each scorer would ask and cost, cheapest first. The texts are not chosen yet: a latent's own examples, which are as long,
 * stand for them.
 * @throws Error where the suite has no vocabulary.
 */
export async function estimateScoring(
  order: ScoringOrder,
  due: readonly DueLabel[],
): Promise<ScoringCost[]> {
  const pieces = await suitePieces(order.out)
  const entries = await entriesOf(order.out)
  const records = new Map<string, LatentRecord>()
  const record = async ({ sae, label: { latent } }: DueLabel) => {
    const key = `${sae}/${latent}`
    const known =
      records.get(key) ?? (await withLatents(entries.get(sae)!, (f) => f.record(latent)))
    records.set(key, known)
    return known
  }
  const costs: ScoringCost[] = []
  for (const scorer of scorerNames.filter((name) => order.scorers.includes(name))) {
    const labels = due.filter(({ scorers }) => scorers.includes(scorer))
    const sample = isFree(scorer, order) ? [] : labels.slice(0, N_SAMPLED)
    const questions: Question[] = []
    for (const each of sample) {
      const subject = standIn(await record(each), each.label.text, pieces, order)
      questions.push(...questionsOf({ id: each.label.id, scorer, subject }))
    }
    const n = labels.length
    const prices = order.ask?.prices
    costs.push({
      scorer,
      n_labels: n,
      n_calls: sample.length === 0 ? 0 : Math.ceil((questions.length / sample.length) * n),
      ...estimateCost(questions, { n_sampled: sample.length, n, prices }),
    })
  }
  return costs
}

function standIn(
  record: LatentRecord,
  label: string,
  pieces: readonly string[],
  { n_examples, ask }: ScoringOrder,
) {
  const { examples } = record
  const windows = Array.from({ length: n_examples }, (_, i) => examples[i % examples.length]!)
  const written = Array<string>(10).fill('x'.repeat(160))
  const generated: Steered = { plain: written, steered: written }
  const material = { positives: windows, negatives: windows }
  const thinking_tokens = ask?.thinking_tokens ?? 0
  return { label, record, material, pieces, name: '', generated, thinking_tokens }
}

/** The SAEs of a suite by their names. */
export async function entriesOf(suite_folder: string): Promise<Map<SaeId, SaeEntry>> {
  const suite = basename(suite_folder)
  return new Map((await listSuite(suite_folder)).map((entry) => [saeId(suite, entry), entry]))
}

/** A suite's vocabulary as people read it. @throws Error where it has none. */
export async function suitePieces(suite: string): Promise<readonly string[]> {
  const pieces = await readPieces(suite)
  if (pieces) return pieces
  throw new Error(
    `${suite} has no pieces.json, the model's vocabulary. Run hooke index ${suite} first.`,
  )
}

/** Reads of an SAE's index. */
export async function withLatents<T>(
  entry: SaeEntry,
  use: (latents: Awaited<ReturnType<typeof openLatents>>) => Promise<T>,
): Promise<T> {
  const latents = await openLatents(entry.path)
  try {
    return await use(latents)
  } finally {
    await latents.close()
  }
}
