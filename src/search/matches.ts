/** The SQL of search: where a query can match, and with which rank. Everything that came from outside is a parameter. */

/** One query, read as words and as tokens. */
export type Question = {
  readonly kind: 'all' | 'label' | 'token' | 'logit'
  /** Trimmed, lower case. */
  readonly text: string
  /** `text` as the beginning of its last word, in tsquery form; null where it has no word. */
  readonly beginning: string | null
  /** Its words as written; what token_keys must hold all of. */
  readonly words: readonly string[]
  readonly keys: readonly string[]
  readonly sae: string | null
  readonly suite: string | null
  readonly limit: number
  readonly offset: number
}

/** Order of parameters in both statements. */
export function parameters(q: Question): unknown[] {
  return [q.text, q.beginning, q.words, q.keys, q.sae, q.suite, q.limit, q.offset]
}
const TEXT = '$1::text'
const BEGINNING = '$2::text'
const WORDS = '$3::text[]'
const KEYS = '$4::text[]'
const SAE = '$5::text'
const SUITE = '$6::text'

const inScope = (
  table: string,
) => `(${SAE} is null or ${table}.sae = ${SAE}) and (${SUITE} is null or ${table}.sae in
  (select id from hooke.saes where suite = ${SUITE}))`

/** Names every parameter's type once, for statements that leave some of them unused. */
const TYPED = `typed as (select ${TEXT}, ${BEGINNING}, ${WORDS}, ${KEYS}, ${SAE}, ${SUITE})`

/** A LIKE pattern that holds `text` literally. */
const literal = `replace(replace(replace(${TEXT}, '\\', '\\\\'), '%', '\\%'), '_', '\\_')`

const SPACE = `E' \\n\\t\\r'`

/** Labels whose words, stems or beginnings of words match; without a word in the query, labels that hold it as it stands. */
const LABEL = `
  select l.sae, l.latent as index, 'label' as matched, l.text as snippet,
    case
      when v.words @@ q.simple and length(v.words) = length(to_tsvector('simple', ${TEXT})) then 9
      when v.words @@ q.simple then 8
      else 5
    end + 0.33 * l.trust + 0.32 / (1 + length(l.text) / 20.0) as rank
  from (select plainto_tsquery('simple', ${TEXT}) as simple,
      plainto_tsquery('english', ${TEXT}) || plainto_tsquery('simple', ${TEXT}) || to_tsquery('simple', ${BEGINNING}) as any_form) q
    cross join hooke.labels l
    cross join lateral (select to_tsvector('simple', l.text) as words) v
  where l.retired_at is null and l.words @@ q.any_form and ${inScope('l')}`

const LABEL_WITHOUT_WORDS = `
  select l.sae, l.latent as index, 'label' as matched, l.text as snippet,
    5 + 0.33 * l.trust + 0.32 / (1 + length(l.text) / 20.0) as rank
  from hooke.labels l
  where l.retired_at is null and lower(l.text) like '%' || ${literal} || '%' and ${inScope('l')}`

/** Latents that fire on every word of the query; weighed by the share of top examples that peak on them. */
const TOKEN = `
  select l.sae, l.index, 'token' as matched, m.snippet, case when m.same_case then 7 else 6 end + 0.99 * m.share as rank
  from hooke.latents l cross join lateral (
    select string_agg(u.token, ', ' order by u.n desc, u.token) as snippet,
      bool_or(btrim(u.token, ${SPACE}) = any (${WORDS})) as same_case,
      sum(u.n)::float / (select sum(n) from unnest(l.top_token_counts) n) as share
    from unnest(l.top_tokens, l.top_token_counts, l.token_keys) u(token, n, key) where u.key = any (${KEYS})
  ) m
  where l.token_keys @> ${KEYS} and ${inScope('l')}`

/** Latents that raise every word of the query; weighed by its place among the raised. */
const LOGIT = `
  select l.sae, l.index, 'logit' as matched, m.snippet, case when m.same_case then 4 else 3 end + 0.99 / m.place as rank
  from hooke.latents l cross join lateral (
    select string_agg(u.token, ', ' order by u.place) as snippet,
      bool_or(btrim(u.token, ${SPACE}) = any (${WORDS})) as same_case, min(u.place) as place
    from unnest(l.top_logits, l.logit_keys) with ordinality u(token, key, place) where u.key = any (${KEYS})
  ) m
  where l.logit_keys @> ${KEYS} and ${inScope('l')}`

/** Latents that fire on a token that begins so. */
const TOKEN_BEGINNING = `
  select l.sae, l.index, 'token' as matched, m.snippet, 2 + 0.99 * m.share as rank
  from hooke.latents l cross join lateral (
    select string_agg(u.token, ', ' order by u.n desc, u.token) as snippet,
      sum(u.n)::float / (select sum(n) from unnest(l.top_token_counts) n) as share
    from unnest(l.top_tokens, l.top_token_counts, l.token_keys) u(token, n, key) where starts_with(u.key, ${TEXT})
  ) m
  where l.token_text like '% ' || ${literal} || '%' and m.snippet is not null and ${inScope('l')}`

const SIMILAR_LABEL = `
  select l.sae, l.latent as index, 'label' as matched, l.text as snippet,
    0.97 * word_similarity(${TEXT}, lower(l.text)) + 0.01 * l.trust as rank
  from hooke.labels l where l.retired_at is null and ${TEXT} <% lower(l.text) and ${inScope('l')}`

const SIMILAR_TOKEN = `
  select l.sae, l.index, 'token' as matched, m.snippet, 0.97 * m.alike as rank
  from hooke.latents l cross join lateral (
    select u.token as snippet, word_similarity(${TEXT}, u.key) as alike
    from unnest(l.top_tokens, l.token_keys) with ordinality u(token, key, place) order by alike desc, u.place limit 1
  ) m
  where ${TEXT} <% l.token_text and ${inScope('l')}`

/** What matches by letters. */
export function exactSql({ kind, beginning, text }: Question): string {
  const parts: string[] = []
  if (kind === 'all' || kind === 'label')
    parts.push(beginning === null ? LABEL_WITHOUT_WORDS : LABEL)
  if (kind === 'all' || kind === 'token') parts.push(TOKEN)
  // Two letters make the first trigram that the index can use.
  if ((kind === 'all' || kind === 'token') && text.length >= 2) parts.push(TOKEN_BEGINNING)
  if (kind === 'all' || kind === 'logit') parts.push(LOGIT)
  return pageSql(parts)
}

/** What is spelt alike; undefined for raised tokens, which are searched by letters only. */
export function similarSql({ kind }: Question): string | undefined {
  if (kind === 'logit') return undefined
  const parts = [
    ...(kind === 'token' ? [] : [SIMILAR_LABEL]),
    ...(kind === 'label' ? [] : [SIMILAR_TOKEN]),
  ]
  return pageSql(parts)
}

/** Best match of each latent, in order, one page; `n_total` on every row. Density and strength break ties, then the latent. */
function pageSql(parts: string[]): string {
  return `
    with ${TYPED},
    matches as (${parts.join(' union all ')}),
    best as (select distinct on (sae, index) * from matches order by sae, index, rank desc, snippet)
    select b.sae, b.index, b.matched, b.snippet, b.rank::float as rank, (count(*) over ())::int as n_total
    from best b left join hooke.latents l on l.sae = b.sae and l.index = b.index
    order by b.rank desc, l.density nulls last, l.max_act desc, b.sae, b.index limit $7 offset $8`
}
