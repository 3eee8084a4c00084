/** What `doubt` of a label is made of, kept up to date: votes, blind guesses, and other labels of the same latent. */
import type { Queryable } from './database.ts'

/** Labels in force of one latent that are held against each other; more than these nobody reads. */
const MOST_LABELS = 8

/** Measures the labels in force of these latents against each other, after one was entered, withdrawn or brought back. */
export async function weighDifferences(
  tx: Queryable,
  latents: readonly { readonly sae: string; readonly latent: number }[],
): Promise<void> {
  const rows = JSON.stringify(latents.map(({ sae, latent }) => ({ sae, latent })))
  // `limit` keeps the look-ups look-ups, as in `insert` of labels. A label that has no other beside it, and had none, is not written.
  await tx.query(
    `update hooke.labels l set difference = d.difference from (
       select a.id, max(hooke.difference(a.words, b.words)) as difference
       from (select distinct * from jsonb_to_recordset($1::jsonb) as n(sae text, latent integer)) n
       cross join lateral (
         select id, sae, latent, method, words from hooke.labels
         where sae = n.sae and latent = n.latent and retired_at is null order by trust desc, id desc limit ${MOST_LABELS}
       ) a
       left join lateral (
         select words from hooke.labels where sae = a.sae and latent = a.latent and retired_at is null
           and id <> a.id and hooke.comparable(method, a.method) order by trust desc, id desc limit ${MOST_LABELS}
       ) b on true
       group by a.id
     ) d where l.id = d.id and l.difference is distinct from d.difference`,
    [rows],
  )
}

/** Counts votes and blind guesses of these labels, after one was given or taken back. A vote says more than the same person's guess. */
export async function weighOpinions(tx: Queryable, labels: readonly number[]): Promise<void> {
  await tx.query(
    `update hooke.labels l set
       n_agree = (select count(*) from hooke.label_votes v where v.label = l.id and v.agrees),
       n_dispute = (select count(*) from hooke.label_votes v where v.label = l.id and not v.agrees),
       guesses_against = (
         select avg(case j.verdict when 'different' then 1 when 'partly' then 0.5 else 0 end)::float
         from hooke.judgements j join hooke.reviews r on r.id = j.review
         where j.label = l.id and r.blind and j.verdict is not null
           and not exists (select 1 from hooke.label_votes v where v.label = l.id and v.author = r.reviewer)
       )
     where l.id = any ($1::int[])`,
    [labels],
  )
}
