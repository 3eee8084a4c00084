/** Agreement and dispute: one vote an author a label, which can be changed or taken back. */
import type { Database, Queryable } from './database.ts'
import { weighOpinions } from './doubt.ts'
import { labelById } from './labels.ts'
import { storable } from './text.ts'
import type { StoredLabel } from './types.ts'

/**
 * Sets, changes or (`agrees` undefined) takes back an author's vote on a label.
 * @returns the label with its votes; undefined where there is no such label.
 */
export async function voteOnLabel(
  db: Database,
  id: number,
  vote: { author: string; agrees: boolean | undefined },
): Promise<StoredLabel | undefined> {
  return db.transaction(async (tx) => {
    if (!(await labelById(tx, id))) return undefined
    await setVote(tx, id, vote)
    return labelById(tx, id)
  })
}

/** voteOnLabel inside a transaction, for a label that is there. @returns what the author had voted before. */
export async function setVote(
  tx: Queryable,
  id: number,
  vote: { author: string; agrees: boolean | undefined },
): Promise<boolean | undefined> {
  const author = storable(vote.author)
  const [before] = await tx.query<{ agrees: boolean }>(
    'delete from hooke.label_votes where label = $1 and author = $2 returning agrees',
    [id, author],
  )
  if (vote.agrees !== undefined)
    await tx.query('insert into hooke.label_votes (label, author, agrees) values ($1, $2, $3)', [
      id,
      author,
      vote.agrees,
    ])
  await weighOpinions(tx, [id])
  return before?.agrees
}

/** A vote that comes with a label from elsewhere; it is about the label in force by this method and author. */
export type VoteEntry = {
  readonly sae: string
  readonly latent: number
  readonly method: string
  readonly label_author: string
  readonly author: string
  readonly agrees: boolean
}

/** Enters votes on labels in force; a vote by the same author that is there is replaced. @returns how many found their label. */
export async function addVotes(db: Database, votes: readonly VoteEntry[]): Promise<number> {
  const rows = votes.map((v) => ({
    ...v,
    label_author: storable(v.label_author),
    author: storable(v.author),
  }))
  return db.transaction(async (tx) => {
    const entered = await tx.query<{ label: number }>(
      `insert into hooke.label_votes (label, author, agrees)
       select distinct on (l.id, n.author) l.id, n.author, n.agrees
       from jsonb_to_recordset($1::jsonb) as n(sae text, latent integer, method text, label_author text, author text, agrees boolean)
       cross join lateral (
         select id from hooke.labels where sae = n.sae and latent = n.latent and method = n.method
           and author = n.label_author and retired_at is null limit 1
       ) l
       on conflict (label, author) do update set agrees = excluded.agrees returning label`,
      [JSON.stringify(rows)],
    )
    await weighOpinions(tx, [...new Set(entered.map(({ label }) => label))])
    return entered.length
  })
}
