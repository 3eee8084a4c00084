/** How well guesses that were made blind agree with the labels they were held against. */
import { type Share, wilson, wordOverlap } from '../label/index.ts'
import type { Queryable } from './database.ts'
import type { ReviewFilter, Verdict } from './reviews.ts'
import type { LabelMethod, SaeId } from './types.ts'

/** How far guesses that were made blind agree with the labels of one method and author. */
export type Agreement = {
  readonly method: LabelMethod
  readonly author: string
  readonly n_reviewers: number
  /** Guesses that somebody judged. */
  readonly n: number
  /** Judged the same; the same or partly. With 95 % intervals (Wilson). */
  readonly same: Share
  readonly at_least_partly: Share
  /** Mean share of words in both of the words in either, over the n_overlap pairs that hold words. */
  readonly overlap?: number
  readonly n_overlap: number
  /** The same with the labels of other latents that were judged: what chance gives. Absent where there is only one. */
  readonly overlap_by_chance?: number
}

/**
 * Agreement of blind guesses with labels, by method and author of the label; the most judged first. Who guessed has judged, with the
 * label before their eyes and its author hidden. Latents that were skipped without a guess are not in it.
 */
export async function agreement(db: Queryable, filter: ReviewFilter): Promise<Agreement[]> {
  const rows = await db.query<JudgedRow>(
    `select l.method, l.author, l.text, r.sae, r.latent, r.reviewer, r.guess, j.verdict, j.overlap
     from hooke.judgements j join hooke.reviews r on r.id = j.review join hooke.labels l on l.id = j.label
       join hooke.saes s on s.id = r.sae
     where r.blind and ($1::text is null or s.suite = $1) and ($2::text is null or s.id = $2)
       and ($3::text is null or l.method = $3) and ($4::text is null or l.author = $4)
     order by l.method, l.author, j.review`,
    [filter.suite ?? null, filter.sae ?? null, filter.method ?? null, filter.author ?? null],
  )
  const by_claimant = Map.groupBy(rows, ({ method, author }) => JSON.stringify([method, author]))
  return [...by_claimant.values()].flatMap(agreementOf).toSorted((a, b) => b.n - a.n)
}

/** The agreement with one claimant; none where no guess was judged. */
function agreementOf(rows: readonly JudgedRow[]): Agreement[] {
  const [{ method, author } = { method: 'manual' as const, author: '' }] = rows
  const judged = rows.filter(({ verdict }) => verdict !== null)
  const share = (...verdicts: JudgedRow['verdict'][]) =>
    wilson(judged.filter(({ verdict }) => verdicts.includes(verdict)).length, judged.length)
  const [same, at_least_partly] = [share('same'), share('same', 'partly')]
  if (!same || !at_least_partly) return []
  const overlaps = rows.flatMap(({ overlap }) => overlap ?? [])
  const [overlap, overlap_by_chance] = [mean(overlaps), mean(unrelatedOverlaps(rows))]
  return [
    {
      ...{ method, author, n: judged.length, same, at_least_partly, n_overlap: overlaps.length },
      n_reviewers: new Set(rows.map(({ reviewer }) => reviewer)).size,
      ...(overlap === undefined ? {} : { overlap }),
      ...(overlap_by_chance === undefined ? {} : { overlap_by_chance }),
    },
  ]
}

/** Labels of other latents that each guess is held against. */
const MOST_UNRELATED = 20

/** Word overlaps of guesses with labels of other latents. */
const unrelatedOverlaps = (rows: readonly JudgedRow[]): number[] =>
  rows.flatMap(({ sae, latent, guess }, i) =>
    [...rows.slice(i + 1), ...rows.slice(0, i)]
      .filter((other) => other.sae !== sae || other.latent !== latent)
      .slice(0, MOST_UNRELATED)
      .flatMap(({ text }) => wordOverlap(guess, text) ?? []),
  )

const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length

type JudgedRow = {
  method: LabelMethod
  author: string
  text: string
  sae: SaeId
  latent: number
  reviewer: string
  guess: string
  verdict: Verdict | null
  overlap: number | null
}
