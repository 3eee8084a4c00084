/** The review queue: which latents to look at next, and what people decided. */
import { wordOverlap } from '../label/index.ts'
import type { Database, Queryable } from './database.ts'
import { weighOpinions } from './doubt.ts'
import { enterLabel, labelById, takeBack } from './labels.ts'
import { storable } from './text.ts'
import type { LabelMethod, SaeId, StoredLabel } from './types.ts'
import { setVote } from './votes.ts'

/** Which latents: those with a label in force of this method and author; machines' labels where no method is given. */
export type ReviewFilter = {
  readonly suite?: string | undefined
  readonly sae?: SaeId | undefined
  readonly method?: LabelMethod | undefined
  /** Of the label. */
  readonly author?: string | undefined
}

/** A latent that waits. */
export type ReviewItem = {
  readonly sae: SaeId
  readonly hook: string
  readonly index: number
  /**
   * Of the label that is most in doubt the largest of 1 - score, the share of votes against, half the share of blind guesses that
   * differ, and half of how far another label differs in its words; absent while none is known.
   */
  readonly doubt?: number
  /** Which of them that is. */
  readonly why?: DoubtReason
  readonly density: number
}

type DoubtReason = 'score' | 'votes' | 'guesses' | 'labels'
export type ReviewDecision = 'accept' | 'edit' | 'dispute' | 'skip'
export type Verdict = 'same' | 'partly' | 'different'

/** One decision as it is entered. */
export type ReviewEntry = {
  readonly sae: SaeId
  readonly latent: number
  readonly reviewer: string
  /** Drawn at random, guessed before a label was seen, and judged before it was known whose it is. */
  readonly blind: boolean
  readonly guess?: string | undefined
  readonly decision: ReviewDecision
  /** The label that is accepted or disputed. */
  readonly label?: number | undefined
  /** What is written instead. */
  readonly text?: string | undefined
  /** The guess beside each label that it was held against. */
  readonly judgements?: readonly {
    readonly label: number
    readonly verdict?: Verdict | undefined
  }[]
}

/** One decision as kept. */
export type StoredReview = Omit<ReviewEntry, 'text' | 'judgements'> & { readonly id: number }

/** $1 suite, $2 SAE, $3 methods, $4 author of the label, $5 reviewer. */
const parameters = (filter: ReviewFilter, reviewer: string): unknown[] => [
  filter.suite ?? null,
  filter.sae ?? null,
  filter.method === undefined ? ['lexical', 'llm'] : [filter.method],
  filter.author ?? null,
  storable(reviewer),
]

const SAES =
  'select id, hook from hooke.saes where ($1::text is null or suite = $1) and ($2::text is null or id = $2)'

/** Whether label `l` is one of those asked for. A reviewer's own labels by hand are never put to them. */
const FITS = `l.retired_at is null and l.method = any ($3::text[]) and ($4::text is null or l.author = $4)
  and not (l.method = 'manual' and l.author = $5)`

const labelled = (sae: string, index: string) =>
  `exists (select 1 from hooke.labels l where l.sae = ${sae} and l.latent = ${index} and ${FITS})`

const reviewed = (sae: string, index: string) =>
  `exists (select 1 from hooke.reviews r where r.sae = ${sae} and r.latent = ${index} and r.reviewer = $5)`

/** What makes label `l` as doubtful as it is. */
const WHY = `case when l.doubt = 1 - l.score then 'score'
  when l.n_agree + l.n_dispute > 0 and l.doubt = l.n_dispute::double precision / (l.n_agree + l.n_dispute) then 'votes'
  when l.doubt = l.guesses_against / 2 then 'guesses' else 'labels' end`

/** Labels of one latent that may be doubtful at the same time, before fewer latents are offered than asked for. */
const LABELS_EACH = 4

/**
 * The next latents for a reviewer, who has not decided on them: the most doubtful first, then the most used.
 * A latent that never fires has nothing to look at and is left out.
 */
export async function reviewQueue(
  db: Queryable,
  options: ReviewFilter & { reviewer: string; limit: number },
): Promise<ReviewItem[]> {
  // The most doubtful n and the most used n of each SAE hold the first n of all.
  const rows = await db.query<ItemRow>(
    `with open as (${SAES}), candidates as (
       select c.sae, c.index from open cross join lateral (
         select l.sae, l.latent as index from hooke.labels l
         where l.sae = open.id and l.doubt is not null and ${FITS} and not ${reviewed('l.sae', 'l.latent')}
         order by l.doubt desc limit ${LABELS_EACH} * $6::int
       ) c
       union
       select c.sae, c.index from open cross join lateral (
         select t.sae, t.index from hooke.latents t
         where t.sae = open.id and t.density > 0 and ${labelled('t.sae', 't.index')} and not ${reviewed('t.sae', 't.index')}
         order by t.density desc, t.index desc limit $6
       ) c
     )
     select t.sae, open.hook, t.index, t.density, most.doubt, most.why
     from candidates c join open on open.id = c.sae
       join hooke.latents t on t.sae = c.sae and t.index = c.index and t.density > 0
       left join lateral (
         select l.doubt, ${WHY} as why from hooke.labels l
         where l.sae = t.sae and l.latent = t.index and l.doubt is not null and ${FITS} order by l.doubt desc limit 1
       ) most on true
     order by most.doubt desc nulls last, t.density desc, t.sae, t.index limit $6`,
    [...parameters(options, options.reviewer), options.limit],
  )
  return rows.map(toItem)
}

/** How many latents are drawn for each that is asked for: some carry no label. */
const DRAWN = 8

/** Latents drawn at random from those that fire, carry such a label and were not decided on: what a blind measurement needs. */
export async function blindSample(
  db: Queryable,
  options: ReviewFilter & { reviewer: string; limit: number },
): Promise<ReviewItem[]> {
  const sample = (drawn: string) =>
    db.query<ItemRow>(
      `with open as (${SAES}), drawn as (${drawn})
       select t.sae, open.hook, t.index, t.density, null::float as doubt, null as why
       from drawn join open on open.id = drawn.sae join hooke.latents t on t.sae = drawn.sae and t.index = drawn.index
       where t.density > 0 and not ${reviewed('t.sae', 't.index')} and ${labelled('t.sae', 't.index')}
       order by drawn.place limit $6`,
      [...parameters(options, options.reviewer), options.limit],
    )
  const rows = await sample(
    `select t.sae, t.index, random() as place from open join hooke.latents t on t.sae = open.id
     where t.density > 0 and not ${reviewed('t.sae', 't.index')} order by place limit ${DRAWN} * $6::int`,
  )
  if (rows.length >= options.limit) return rows.map(toItem)
  // Few of the latents carry such a label: all of those are shuffled.
  const few = await sample(
    `select l.sae, l.latent as index, random() as place from open join hooke.labels l on l.sae = open.id
     where ${FITS} group by l.sae, l.latent`,
  )
  return few.map(toItem)
}

/** How many latents wait for a reviewer, and how many were decided on by them. */
export async function reviewProgress(
  db: Queryable,
  options: ReviewFilter & { reviewer: string },
): Promise<{ n_left: number; n_done: number }> {
  // All that are labelled, less the few that are not: asking of each latent whether it waits takes ten times as long.
  const [row] = await db.query<{ n_left: number; n_done: number }>(
    `with open as (select id from (${SAES}) s where exists (select 1 from hooke.latents t where t.sae = s.id)),
     decided as (select distinct r.sae, r.latent from open join hooke.reviews r on r.sae = open.id where r.reviewer = $5)
     select (
       select coalesce(sum(n), 0)::int from open cross join lateral (
         select count(distinct l.latent) as n from hooke.labels l where l.sae = open.id and ${FITS}) labelled
     ) - (
       select count(*)::int from (
         select t.sae, t.index from open join hooke.latents t on t.sae = open.id where t.density = 0
         union select sae, latent from decided
       ) gone where ${labelled('gone.sae', 'gone.index')}
     ) as n_left, (select count(*)::int from decided) as n_done`,
    parameters(options, options.reviewer),
  )
  return row ?? { n_left: 0, n_done: 0 }
}

/** Who labelled these suites or SAEs: labels in force by method and author, the most first. */
export async function claimants(
  db: Queryable,
  { suite, sae }: Pick<ReviewFilter, 'suite' | 'sae'>,
): Promise<{ method: LabelMethod; author: string; n_labels: number }[]> {
  return db.query(
    `select l.method, l.author, count(*)::int as n_labels from hooke.labels l
     where l.sae in (select id from (${SAES}) s) and l.retired_at is null
     group by l.method, l.author order by n_labels desc, l.method, l.author limit 100`,
    [suite ?? null, sae ?? null],
  )
}

/**
 * Enters one decision and what follows from it: a vote for what is accepted or disputed, a label by hand for what is written.
 * @throws RangeError when a label is not one of the latent's in force, or a decision lacks what it is about.
 */
export async function saveReview(db: Database, entry: ReviewEntry): Promise<StoredReview> {
  const { sae, latent, reviewer, blind, decision } = entry
  const guess = entry.guess === undefined ? undefined : storable(entry.guess)
  return db.transaction(async (tx) => {
    let label: number | undefined
    let vote_before: boolean | undefined
    if (decision === 'accept' || decision === 'dispute') {
      label = (await ownLabel(tx, entry, entry.label)).id
      vote_before = await setVote(tx, label, { author: reviewer, agrees: decision === 'accept' })
    } else if (decision === 'edit') {
      const evidence = 'written in review'
      const text = entry.text ?? ''
      label = (
        await enterLabel(tx, { sae, latent, text, method: 'manual', author: reviewer, evidence })
      ).id
    }
    // Whoever has decided on it before has seen its labels: a second guess is not blind.
    const [row] = await tx.query<{ id: number; blind: boolean }>(
      `insert into hooke.reviews (sae, latent, reviewer, blind, guess, decision, label, vote_before)
       values ($1, $2, $3, $4 and not exists (
         select 1 from hooke.reviews r where r.sae = $1 and r.latent = $2 and r.reviewer = $3
       ), $5, $6, $7, $8) returning id, blind`,
      [
        sae,
        latent,
        storable(reviewer),
        blind,
        guess ?? null,
        decision,
        label ?? null,
        vote_before ?? null,
      ],
    )
    if (!row) throw new Error('the database did not return the review that it took')
    const judgements = guess === undefined ? [] : (entry.judgements ?? [])
    for (const judgement of judgements) {
      const { id, text } = await ownLabel(tx, entry, judgement.label)
      await tx.query(
        'insert into hooke.judgements (review, label, verdict, overlap) values ($1, $2, $3, $4)',
        [row.id, id, judgement.verdict ?? null, wordOverlap(guess ?? '', text) ?? null],
      )
    }
    if (judgements.length > 0)
      await weighOpinions(
        tx,
        judgements.map((judgement) => judgement.label),
      )
    return {
      ...{ id: row.id, sae, latent, reviewer, blind: row.blind, decision },
      ...(guess === undefined ? {} : { guess }),
      ...(label === undefined ? {} : { label }),
    }
  })
}

/** Takes a decision back with its vote, label and judgements. @returns what it was; undefined where there is no such review. */
export async function undoReview(db: Database, id: number): Promise<StoredReview | undefined> {
  return db.transaction(async (tx) => {
    const judged = await tx.query<{ label: number }>(
      'select label from hooke.judgements where review = $1',
      [id],
    )
    const [row] = await tx.query<ReviewRow>(
      `delete from hooke.reviews where id = $1
       returning id, sae, latent, reviewer, blind, guess, decision, label, vote_before`,
      [id],
    )
    if (!row) return undefined
    const { guess, label, vote_before, ...review } = row
    if (label !== null && row.decision === 'edit') {
      const written = await labelById(tx, label)
      if (written && written.retired_at === undefined) await takeBack(tx, written)
    } else if (label !== null)
      await setVote(tx, label, { author: row.reviewer, agrees: vote_before ?? undefined })
    if (judged.length > 0)
      await weighOpinions(
        tx,
        judged.map((judgement) => judgement.label),
      )
    return {
      ...review,
      ...(guess === null ? {} : { guess }),
      ...(label === null ? {} : { label }),
    }
  })
}

/** @throws RangeError where it is not a label in force of the latent under review. */
async function ownLabel(
  tx: Queryable,
  { sae, latent }: ReviewEntry,
  id: number | undefined,
): Promise<StoredLabel> {
  const label = id === undefined ? undefined : await labelById(tx, id)
  if (!label || label.sae !== sae || label.latent !== latent || label.retired_at !== undefined)
    throw new RangeError(
      `label is ${id ?? 'absent'}, expected the number of a label in force of latent ${latent} of ${sae}. Fetch the latent again.`,
    )
  return label
}

type ItemRow = Omit<ReviewItem, 'doubt' | 'why'> & {
  doubt: number | null
  why: DoubtReason | null
}

const toItem = ({ doubt, why, ...row }: ItemRow): ReviewItem => ({
  ...row,
  ...(doubt === null ? {} : { doubt }),
  ...(why === null ? {} : { why }),
})

type ReviewRow = {
  id: number
  sae: string
  latent: number
  reviewer: string
  blind: boolean
  guess: string | null
  decision: ReviewDecision
  label: number | null
  vote_before: boolean | null
}
