/**
 * Ranked search over labels, the tokens that latents fire on, and the output tokens that they raise. No vectors, no key.
 *
 * 1. The query is read as words (for labels) and as tokens.
 * 2. What matches by letters is collected: labels by words and stems, tokens by equality, beginnings of words.
 * 3. Each latent keeps its best match; latents are put in order; one page of them is returned with the total.
 * 4. Only where nothing matches by letters are similar spellings looked for (trigrams): typos find, but never displace.
 */
import {
  chipsOf,
  type Database,
  type LatentChip,
  type Queryable,
  type SaeId,
  tokenKey,
} from '../store/index.ts'
import { exactSql, parameters, type Question, similarSql } from './matches.ts'

/** What to look in. */
export type SearchKind = 'all' | 'label' | 'token' | 'logit'

/** A latent that matches. `rank` is higher for better matches and comparable within one search. */
export type SearchHit = LatentChip & {
  readonly matched: 'label' | 'token' | 'logit'
  /** The label, or the tokens, that matched. */
  readonly snippet: string
  readonly rank: number
}

/** Longer queries are cut, and further words left out: the cost of a query grows with them. */
const LONGEST_QUERY = 200
const MOST_WORDS = 12

/** How alike a word must be to be offered for a misspelt one: word_similarity of pg_trgm, 1 for equal. */
const ALIKE = 0.35

/**
 * Latents that match, best first. The whole number of `rank` is the kind of match, what follows the point its weight:
 *
 * | rank | match | weight |
 * |---|---|---|
 * | 9 | label of just these words | manual before llm before lexical, then shorter labels |
 * | 8 | label holds the words as they stand | the same |
 * | 7 | fires on the token, case and all (the space before it never counts) | share of top examples that peak on it |
 * | 6 | ... but for case | the same |
 * | 5 | label holds forms of the words, or a word that begins so | as for labels |
 * | 4, 3 | raises the token, case and all; but for case | its place among the raised |
 * | 2 | fires on a token that begins so | share of top examples |
 * | 0 | none of these anywhere, spelt alike | likeness |
 *
 * At equal rank the rarer latent comes first, then the stronger, then by SAE and index, so that pages never overlap.
 * @param limit 1 to 200 hits. @param offset hits to leave out first.
 * @returns n_total latents that match, each counted once, and the asked page of them.
 */
export async function searchLatents(
  db: Database,
  options: {
    query: string
    kind?: SearchKind
    sae?: SaeId | undefined
    suite?: string | undefined
    limit?: number
    offset?: number
  },
): Promise<{ n_total: number; took_ms: number; hits: SearchHit[] }> {
  const started = performance.now()
  const question = readQuestion(options)
  if (question.text === '') return { n_total: 0, took_ms: 0, hits: [] }
  let rows = await db.query<MatchRow>(exactSql(question), parameters(question))
  let n_total = rows[0]?.n_total ?? 0
  // A page beyond the end has no row to carry the total.
  if (rows.length === 0 && question.offset > 0)
    n_total = await countOf(db, exactSql(question), question)
  const similar = similarSql(question)
  if (n_total === 0 && similar !== undefined && [...question.text].length >= 3) {
    await db.transaction(async (tx) => {
      await tx.query("select set_config('pg_trgm.word_similarity_threshold', $1, true)", [
        String(ALIKE),
      ])
      rows = await tx.query<MatchRow>(similar, parameters(question))
      n_total = rows[0]?.n_total ?? (question.offset > 0 ? await countOf(tx, similar, question) : 0)
    })
  }
  const chips = await chipsOf(db, rows)
  const hits = rows.map(({ matched, snippet, rank }, i) => {
    const chip = chips[i]
    if (!chip)
      throw new Error(
        `search: no SAE for match ${i} of ${JSON.stringify(question.text)}; was it removed meanwhile? Search again.`,
      )
    return { ...chip, matched, snippet, rank }
  })
  return { n_total, took_ms: performance.now() - started, hits }
}

type MatchRow = {
  sae: string
  index: number
  matched: SearchHit['matched']
  snippet: string
  rank: number
  n_total: number
}

async function countOf(db: Queryable, sql: string, question: Question): Promise<number> {
  const rows = await db.query<MatchRow>(sql, parameters({ ...question, limit: 1, offset: 0 }))
  return rows[0]?.n_total ?? 0
}

function readQuestion(options: Parameters<typeof searchLatents>[1]): Question {
  const { kind = 'all', sae, suite, limit = 20, offset = 0 } = options
  const query = options.query
    .replaceAll('\0', ' ')
    .toWellFormed()
    .trim()
    .slice(0, LONGEST_QUERY)
    .toWellFormed()
    .trim()
  const words = query.split(/\s+/).slice(0, MOST_WORDS)
  const lexemes = query
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu)
    ?.slice(0, MOST_WORDS)
  return {
    kind,
    text: query.toLowerCase(),
    // Letters and digits only, so quoting is safe.
    beginning: lexemes ? `${lexemes.map((word) => `'${word}'`).join(' & ')}:*` : null,
    words,
    keys: [...new Set(words.map(tokenKey))],
    sae: sae ?? null,
    suite: suite ?? null,
    limit: Math.min(200, Math.max(1, Math.trunc(limit))),
    offset: Math.max(0, Math.trunc(offset)),
  }
}
