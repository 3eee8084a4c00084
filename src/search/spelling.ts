/** What a misspelt word may have meant: words of labels and tokens that are spelt alike. */
import type { Database } from '../store/index.ts'

/** How alike a word must be to be offered for a misspelt one: similarity of pg_trgm, 1 for equal. */
const ALIKE = 0.25
/** Queries that are tried in place of one that finds nothing. */
const MOST_READINGS = 4

/** The query with its unknown words replaced, and how alike it still is, 0 to 1. */
export type Reading = { readonly text: string; readonly alike: number }

/** Other readings of a query of at least one unknown word of three letters, most alike first; none where nothing is alike. */
export async function otherReadings(db: Database, text: string): Promise<Reading[]> {
  const words = [...new Set(text.match(/[\p{L}\p{N}]{3,}/gu) ?? [])]
  if (words.length === 0) return []
  const rows = await db.transaction(async (tx) => {
    await tx.query("select set_config('pg_trgm.similarity_threshold', $1, true)", [String(ALIKE)])
    return tx.query<{ asked: string; word: string; alike: number }>(
      `select q.asked, w.word, w.alike from unnest($1::text[]) q(asked)
       cross join lateral (
         select word, similarity(word, q.asked)::float8 as alike from hooke.words
         where word % q.asked order by 2 desc, abs(length(word) - length(q.asked)), 1 limit ${MOST_READINGS}
       ) w where not exists (select from hooke.words where word = q.asked)`,
      [words],
    )
  })
  const by_word = Map.groupBy(rows, (row) => row.asked)
  const readings: Reading[] = []
  for (let i = 0; i < MOST_READINGS; i++) {
    let reading = text
    let alike = 1
    for (const [asked, found] of by_word) {
      const { word, alike: likeness } = found[Math.min(i, found.length - 1)]!
      reading = reading.replaceAll(asked, word)
      alike *= likeness
    }
    if (reading !== text && !readings.some((other) => other.text === reading))
      readings.push({ text: reading, alike })
  }
  return readings
}
