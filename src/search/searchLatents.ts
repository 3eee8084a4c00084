/**
 * Ranked search over labels, the tokens that latents fire on, and the output tokens that they raise. No vectors, no key.
 *
 * 1. The query is read as words (for labels) and as tokens; its filters as a scope.
 * 2. The ways to match are gone through, best first, until the page asked for is full: each statement reads a bounded number of rows.
 * 3. Each latent keeps its best match, in the order of rank; one page of them is returned, with the total or a lower bound of it.
 * 4. Only where nothing matches by letters is the query read otherwise (trigrams): typos find, but never displace.
 */
import { chipsOf, type Database, type LatentChip, tokenKey } from '../store/index.ts'
import { type Question, snippets, type Way, waysOf } from './matches.ts'
import { anyLabelPasses, readScope, type SearchFilters } from './scope.ts'
import { otherReadings } from './spelling.ts'

/** What to look in. */
export type SearchKind = 'all' | 'label' | 'token' | 'logit'

/** A query with its filters, and which page of the hits is wanted. */
export type SearchOptions = SearchFilters & {
  query: string
  /** 1 to 200 hits. */
  limit?: number
  /** Hits to leave out first. */
  offset?: number
}

/** A latent that matches. `rank` is higher for better matches and comparable within one search. */
export type SearchHit = LatentChip & {
  readonly matched: 'label' | 'token' | 'logit' | 'meaning'
  /** The label, or the tokens, that matched. */
  readonly snippet: string
  readonly rank: number
}

/** A page of what was found. */
export type SearchAnswer = {
  /** Latents found, each counted once; a lower bound where `more`. */
  readonly n_total: number
  /** True where the search stopped before it had found everything. */
  readonly more: boolean
  readonly took_ms: number
  /** What was looked for where nothing matches the query itself. */
  readonly read_as?: string
  readonly hits: SearchHit[]
}

/** Longer queries are cut, and further words left out: the cost of a query grows with them. */
const LONGEST_QUERY = 200
const MOST_WORDS = 12

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
 * | 0 | none of these anywhere, but of a query spelt alike | likeness, then as above |
 *
 * At equal rank the rarer latent comes first, then the stronger, then by SAE and index, so that pages never overlap. Of a word that
 * thousands of latents match, the best are found and the total is a lower bound.
 */
export async function searchLatents(
  db: Database,
  options: SearchOptions & { kind?: SearchKind },
): Promise<SearchAnswer> {
  const started = performance.now()
  const { limit, offset } = pageOf(options)
  const kind = options.kind ?? 'all'
  const query = readQuery(options.query)
  if (query === '') return { n_total: 0, more: false, took_ms: 0, hits: [] }
  const scope = await readScope(db, options)
  if (!(await anyLabelPasses(db, scope)))
    return { n_total: 0, more: false, took_ms: performance.now() - started, hits: [] }
  let found = await findMatches(db, readQuestion(query, kind, scope), offset + limit)
  let read_as: string | undefined
  if (found.rows.length === 0 && kind !== 'logit') {
    for (const reading of await otherReadings(db, query.toLowerCase())) {
      found = await findMatches(db, readQuestion(reading.text, kind, scope), offset + limit)
      if (found.rows.length === 0) continue
      read_as = reading.text
      for (const row of found.rows) row.rank *= reading.alike / 10
      break
    }
  }
  const page = found.rows.slice(offset, offset + limit)
  const hits = await withChips(db, await withSnippets(db, found.question, page))
  return {
    n_total: found.rows.length,
    more: found.more,
    took_ms: performance.now() - started,
    ...(read_as === undefined ? {} : { read_as }),
    hits,
  }
}

/** Which page is wanted, within bounds. */
export function pageOf({ limit = 20, offset = 0 }: SearchOptions): {
  limit: number
  offset: number
} {
  return {
    limit: Math.min(200, Math.max(1, Math.trunc(limit))),
    offset: Math.max(0, Math.trunc(offset)),
  }
}

/** Matches as hits, each with what is shown of its latent. */
export async function withChips(
  db: Database,
  page: readonly Pick<SearchHit, 'sae' | 'index' | 'matched' | 'snippet' | 'rank'>[],
): Promise<SearchHit[]> {
  const chips = await chipsOf(db, page)
  return page.map(({ matched, snippet, rank }, i) => {
    const chip = chips[i]
    if (!chip)
      throw new Error(
        `search: ${page[i]!.sae} is not in the database; was it removed meanwhile? Search again.`,
      )
    return { ...chip, matched, snippet, rank }
  })
}

type Match = {
  readonly sae: string
  readonly index: number
  readonly matched: Way['matched']
  /** Of labels at once, of tokens when it is shown. */
  readonly snippet?: string
  rank: number
}

/** The best matches, at least `wanted` of them where there are so many, each latent once. */
async function findMatches(
  db: Database,
  question: Question,
  wanted: number,
): Promise<{ question: Question; rows: Match[]; more: boolean }> {
  const rows: Match[] = []
  const seen = new Set<string>()
  let more = false
  for (const way of waysOf(question)) {
    if (rows.length >= wanted) return { question, rows, more: true }
    const found = await db.query<Match>(inOrder(way), way.params)
    const matches = found.filter((row) => row.sae !== null)
    if (matches.length < found.length) more = true
    for (const row of matches) {
      const key = `${row.sae} ${row.index}`
      if (seen.has(key)) continue
      seen.add(key)
      rows.push({ ...row, matched: way.matched })
    }
  }
  return { question, rows, more }
}

/** Density and strength break ties, then the latent. */
const inOrder = ({ sql, matched }: Way): string =>
  `select m.sae, m.index, ${matched === 'label' ? 'm.snippet, ' : ''}m.rank::float8 as rank from (${sql}) m
   order by m.rank desc, m.density nulls last, m.max_act desc, m.sae, m.index`

/** Matches with the label or the tokens that matched. */
async function withSnippets(
  db: Database,
  question: Question,
  page: readonly Match[],
): Promise<(Match & { readonly snippet: string })[]> {
  const told = new Map<Match, string>()
  for (const matched of ['token', 'logit'] as const) {
    const rows = page.filter((row) => row.matched === matched)
    if (rows.length === 0) continue
    const { sql, params } = snippets(question, matched, rows)
    for (const [i, { snippet }] of (await db.query<{ snippet: string }>(sql, params)).entries())
      told.set(rows[i]!, snippet)
  }
  return page.map((row) => ({ ...row, snippet: row.snippet ?? told.get(row) ?? '' }))
}

/** A query as it is looked up: trimmed, of bounded length, storable. */
export function readQuery(query: string): string {
  return query
    .replaceAll('\0', ' ')
    .toWellFormed()
    .trim()
    .slice(0, LONGEST_QUERY)
    .toWellFormed()
    .trim()
}

function readQuestion(query: string, kind: SearchKind, scope: Question['scope']): Question {
  const words = query.split(/\s+/).slice(0, MOST_WORDS)
  const lexemes = query
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu)
    ?.slice(0, MOST_WORDS)
  return {
    kind,
    text: query.toLowerCase(),
    exact: lexemes
      ? words
          .filter((word) => /[\p{L}\p{N}]/u.test(word))
          .map((word) => `'${word.replace(/['\\]/g, ' ')}':A`)
          .join(' & ')
      : null,
    // Letters and digits only, so quoting is safe.
    beginning: lexemes ? `${lexemes.map((word) => `'${word}'`).join(' & ')}:*` : null,
    words,
    keys: [...new Set(words.map(tokenKey))],
    scope,
  }
}
