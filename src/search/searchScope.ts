/** What a search can be restricted to in this database, found without reading the labels. */
import { type Database, type LabelMethod, storedEmbedder } from '../store/index.ts'

/** Who made labels, whether any has a score, and which model embedded them. */
export type SearchScope = {
  readonly meaning?: { readonly model: string }
  readonly authors: { readonly author: string; readonly method: LabelMethod }[]
  readonly scored: boolean
}

/** Goes from one author to the next in the index, however many labels each has. */
const AUTHORS = `
  with recursive a as (
    (select method, author from hooke.labels where retired_at is null order by method, author limit 1)
    union all
    select n.method, n.author from a cross join lateral (
      select method, author from hooke.labels
      where retired_at is null and (method, author) > (a.method, a.author) order by method, author limit 1
    ) n
  )
  select method, author from a`

/** The scope of this database. */
export async function searchScope(db: Database): Promise<SearchScope> {
  const authors = await db.query<{ method: LabelMethod; author: string }>(AUTHORS)
  const [row] = await db.query<{ scored: boolean }>(
    'select exists (select from hooke.labels where retired_at is null and score is not null) as scored',
  )
  const meaning = (await storedEmbedder(db))?.source
  return {
    authors,
    scored: row?.scored ?? false,
    ...(meaning ? { meaning: { model: meaning.model } } : {}),
  }
}
