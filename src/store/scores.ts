/** Scores of labels: how well each was found to hold, by which scorer and which judge. */
import type { Database, Queryable } from './database.ts'
import { storable } from './text.ts'
import type { LabelMethod, SaeId } from './types.ts'

/** One measurement of one label. */
export type ScoreEntry = {
  readonly label: number
  readonly scorer: string
  /** The model that judged. */
  readonly judge: string
  /** What `value` is: balanced accuracy, accuracy, AUC, correlation. */
  readonly measure: string
  readonly value: number
  /** Bounds of the 95 % interval. */
  readonly low: number
  readonly high: number
  /** What chance alone would give. */
  readonly chance: number
  /** Texts judged. */
  readonly n: number
}

export type LabelScore = ScoreEntry & {
  /** ISO 8601 */
  readonly scored_at: string
}

/** The scorer whose value is a label's score in lists: the first of these that it has. */
const HEADLINES = ['detection', 'fuzzing', 'embedding', 'lexical'] as const

/** Enters a score, in the place of an older one by the same scorer and judge, and brings the label's own score up to date. */
export async function addScore(db: Database, score: ScoreEntry): Promise<void> {
  const { label, scorer, judge, measure, value, low, high, chance, n } = score
  await db.transaction(async (tx) => {
    await tx.query(
      `insert into hooke.label_scores (label, scorer, judge, measure, value, low, high, chance, n)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       on conflict (label, scorer, judge) do update set measure = excluded.measure, value = excluded.value, low = excluded.low,
         high = excluded.high, chance = excluded.chance, n = excluded.n, scored_at = now()`,
      [label, scorer, storable(judge), measure, value, low, high, chance, n],
    )
    await tx.query(
      `update hooke.labels set score = best.value, score_method = best.scorer || ', ' || best.measure || ' over ' || best.n || ' texts, ' || best.judge
       from (select * from hooke.label_scores where label = $1 and scorer = any ($2::text[])
             order by array_position($2::text[], scorer), scored_at desc limit 1) best
       where id = $1`,
      [label, HEADLINES],
    )
  })
}

/** All scores of a latent's labels, by label, scorer and judge. */
export async function scoresOf(db: Queryable, sae: SaeId, latent: number): Promise<LabelScore[]> {
  const rows = await db.query<Omit<LabelScore, 'scored_at'> & { scored_at: Date }>(
    `select s.* from hooke.label_scores s join hooke.labels l on l.id = s.label
     where l.sae = $1 and l.latent = $2 order by s.label, s.scorer, s.judge`,
    [sae, latent],
  )
  return rows.map(({ scored_at, ...score }) => ({ ...score, scored_at: scored_at.toISOString() }))
}

/** A label in force, with the scores that it has already. */
export type ClaimedLabel = {
  readonly id: number
  readonly latent: number
  readonly text: string
  readonly method: LabelMethod
  readonly author: string
  /** `scorer judge` of each. */
  readonly scored: readonly string[]
}

/** The labels in force of an SAE, or of these latents of it, by latent. */
export const claimedLabels = (
  db: Queryable,
  sae: SaeId,
  latents?: readonly number[],
): Promise<ClaimedLabel[]> =>
  db.query<ClaimedLabel>(
    `select l.id, l.latent, l.text, l.method, l.author,
       array(select s.scorer || ' ' || s.judge from hooke.label_scores s where s.label = l.id) as scored
     from hooke.labels l where l.sae = $1 and ($2::int[] is null or l.latent = any ($2)) and l.retired_at is null
     order by l.latent, l.id`,
    [sae, latents ?? null],
  )
