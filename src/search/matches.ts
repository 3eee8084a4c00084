/**
 * The statements of search: one for each way to match, best way first. Everything that came from outside is a parameter.
 *
 * No statement reads more than so many rows, whatever the words. A word of many latents is found twice: some of them as the
 * index of words has them, and those that an index in the order of rank begins with; so the best are there, and their
 * number is a lower bound.
 */
import {
  densityCondition,
  labelCondition,
  latentRowConditions,
  Parameters,
  type Scope,
  saeCondition,
} from './scope.ts'

/** One query, read as words and as tokens. */
export type Question = {
  readonly kind: 'all' | 'label' | 'token' | 'logit'
  /** Trimmed, lower case. */
  readonly text: string
  /** Its words as they stand, and as the beginning of the last one, in tsquery form; null where it has no word. */
  readonly exact: string | null
  readonly beginning: string | null
  /** Its words as written; what token_keys must hold all of. */
  readonly words: readonly string[]
  readonly keys: readonly string[]
  readonly scope: Scope
}

/**
 * A way to match: a statement that returns rows of `sae, index, rank, density, max_act`, and of labels `snippet`.
 * A row without an SAE says that there may be more.
 */
export type Way = {
  readonly matched: 'label' | 'token' | 'logit'
  readonly sql: string
  readonly params: readonly unknown[]
}

/** Matches read as the index of words has them; more where filters may leave few of them. */
const READ = 1_000
const READ_TO_FILTER = 1_500
/** Beginnings of tokens, each of which has to be taken apart. */
const READ_BEGINNINGS = 300
/** Rows looked through in the order of rank, and matches taken from them. */
const LOOKED_THROUGH = 10_000
const LOOKED_THROUGH_TO_FILTER = 3_000
const BEST = 300
/** Labels looked through for signs, as they lie. */
const READ_FOR_SIGNS = 20_000

const LABEL_WEIGHT = '0.33 * l.trust + 0.32 / (1 + length(l.text) / 20.0)'

/** Best labels of a source `l` first; density and strength of the latent break ties. */
const labelRows = (source: string, rank: number): string =>
  `select l.sae, l.latent as index, l.text as snippet, ${rank} + ${LABEL_WEIGHT} as rank, d.density, d.max_act
   from ${source} l left join hooke.latents d on d.sae = l.sae and d.index = l.latent`

/** The ways in which a query can match, best first; ranks of a later way are lower. */
export function waysOf(question: Question): Way[] {
  const { kind, text, exact, beginning } = question
  const labels = kind === 'all' || kind === 'label'
  const tokens = kind === 'all' || kind === 'token'
  const logits = kind === 'all' || kind === 'logit'
  const ways: Way[] = []
  if (labels && exact !== null) ways.push(labelOfWords(question), labelHolds(question))
  if (tokens) ways.push(token(question))
  if (labels) ways.push(beginning === null ? labelHoldsSigns(question) : labelForms(question))
  if (logits) ways.push(logit(question))
  // Two letters make the first trigram that the index can use.
  if (tokens && text.length >= 2) ways.push(tokenBeginning(question))
  return ways
}

/** How labels `l` and latents `l` are restricted: by SAE, which an index knows, and by all else. */
function restrictions(p: Parameters, scope: Scope, table: 'labels' | 'latents') {
  const saes = saeCondition(p, scope, 'l.sae')
  const filters =
    table === 'labels'
      ? labelCondition(p, scope, 'l') + densityCondition(p, scope, 'l.sae', 'l.latent')
      : latentRowConditions(p, scope, 'l')
  return { saes, filters, read: saes + filters === '' ? READ : READ_TO_FILTER }
}

const marker = (source: string, most: number, columns: number): string =>
  `union all select null, null${', null'.repeat(columns - 2)} where (select count(*) from ${source}) >= ${most}`

/** 9: labels of just these words. */
function labelOfWords({ text, scope }: Question): Way {
  const p = new Parameters()
  const { saes, filters, read } = restrictions(p, scope, 'labels')
  const sql = `with same as materialized (
      select l.* from hooke.labels l where l.retired_at is null and length(l.text) < 200
        and strip(to_tsvector('simple', l.text)) = strip(to_tsvector('simple', ${p.add(text, 'text')}))${saes}
      order by l.trust desc, length(l.text) limit ${read}
    )
    ${labelRows(`(select * from same l where true${filters})`, 9)} ${marker('same', read, 6)}`
  return { matched: 'label', sql, params: p.values }
}

/** 8: labels that hold the words as they stand. */
function labelHolds({ exact, scope }: Question): Way {
  const p = new Parameters()
  return labelWay(p, scope, `to_tsquery('simple', ${p.add(exact, 'text')})`, 8)
}

/** 5: labels that hold other forms of the words, or a word that begins so. */
function labelForms({ text, beginning, scope }: Question): Way {
  const p = new Parameters()
  const words = p.add(text, 'text')
  const query = `plainto_tsquery('english', ${words}) || to_tsquery('simple', ${p.add(beginning, 'text')})`
  return labelWay(p, scope, `(${query})`, 5)
}

function labelWay(p: Parameters, scope: Scope, query: string, rank: number): Way {
  const { saes, filters, read } = restrictions(p, scope, 'labels')
  const sql = `with many as materialized (
      select l.* from hooke.labels l where l.retired_at is null and l.words @@ ${query}${saes} limit ${read}
    ), best as materialized (
      select * from (
        select l.* from hooke.labels l where l.retired_at is null order by l.trust desc, length(l.text)
        limit (select case when count(*) < ${read} then 0 else ${filters === '' ? LOOKED_THROUGH : LOOKED_THROUGH_TO_FILTER} end from many)
      ) l where l.words @@ ${query}${saes}${filters} limit ${BEST}
    )
    ${labelRows(`(select * from many l where true${filters} union all select * from best)`, rank)} ${marker('many', read, 6)}`
  return { matched: 'label', sql, params: p.values }
}

/** 5: labels that hold a text without a word, as it stands: no index holds signs, so a part of the labels is looked through. */
function labelHoldsSigns({ text, scope }: Question): Way {
  const p = new Parameters()
  const { saes, filters } = restrictions(p, scope, 'labels')
  const pattern = p.add(`%${text.replace(/[\\%_]/g, '\\$&')}%`, 'text')
  const sql = `with part as materialized (
      select l.* from hooke.labels l where l.retired_at is null${saes} limit ${READ_FOR_SIGNS}
    )
    ${labelRows(`(select * from part l where lower(l.text) like ${pattern}${filters} limit ${READ})`, 5)} ${marker('part', READ_FOR_SIGNS, 6)}`
  return { matched: 'label', sql, params: p.values }
}

/** 7 and 6: latents that fire on every word of the query; weighed by the share of top examples that peak on them. */
function token(question: Question): Way {
  const { keys, scope } = question
  const p = new Parameters()
  const all = p.add(keys, 'text[]')
  const share = `(${keys.map((key) => `l.top_token_counts[array_position(l.token_keys, ${p.add(key, 'text')})]`).join(' + ')}) / l.n_top::float8`
  const rank = `case when l.top_tokens && ${p.add(spellings(question), 'text[]')} then 7 else 6 end + 0.99 * ${share}`
  const sql = latentWay(p, scope, {
    holds: `l.token_keys @> ${all}`,
    first: `l.token_keys[1] = ${p.add(keys[0], 'text')}`,
    order: '(l.top_token_counts[1]::float8 / l.n_top) desc',
    rank,
  })
  return { matched: 'token', sql, params: p.values }
}

/** 4 and 3: latents that raise every word of the query; weighed by its place among the raised. */
function logit(question: Question): Way {
  const { keys, scope } = question
  const p = new Parameters()
  const all = p.add(keys, 'text[]')
  const place = `least(${keys.map((key) => `array_position(l.logit_keys, ${p.add(key, 'text')})`).join(', ')})`
  const rank = `case when l.top_logits && ${p.add(spellings(question), 'text[]')} then 4 else 3 end + 0.99 / ${place}`
  const sql = latentWay(p, scope, {
    holds: `l.logit_keys @> ${all}`,
    first: `l.logit_keys[1] = ${p.add(keys[0], 'text')}`,
    order: 'l.density',
    rank,
  })
  return { matched: 'logit', sql, params: p.values }
}

/** The words as tokens are written, with the space before them. */
const spellings = ({ words }: Question): string[] =>
  words.flatMap((word) => ['', ' ', '\n', '\t'].map((space) => space + word))

function latentWay(
  p: Parameters,
  scope: Scope,
  parts: { holds: string; first: string; order: string; rank: string },
): string {
  const { holds, first, order, rank } = parts
  const { saes, filters, read } = restrictions(p, scope, 'latents')
  return `with many as materialized (
      select l.* from hooke.latents l where ${holds}${saes} limit ${read}
    ), best as materialized (
      select * from (
        select l.* from hooke.latents l where ${first} order by ${order}
        limit (select case when count(*) < ${read} then 0 else ${READ_TO_FILTER} end from many)
      ) l where ${holds}${saes}${filters} limit ${BEST}
    )
    select l.sae, l.index, ${rank} as rank, l.density, l.max_act
    from (select * from many l where true${filters} union all select * from best) l ${marker('many', read, 5)}`
}

/** 2: latents that fire on a token that begins so. */
function tokenBeginning({ text, scope }: Question): Way {
  const p = new Parameters()
  const { saes, filters } = restrictions(p, scope, 'latents')
  const pattern = p.add(`% ${text.replace(/[\\%_]/g, '\\$&')}%`, 'text')
  const sql = `with many as materialized (
      select l.* from hooke.latents l where l.token_text like ${pattern}${saes} limit ${READ_BEGINNINGS}
    )
    select l.sae, l.index, 2 + 0.99 * m.n / l.n_top as rank, l.density, l.max_act
    from many l cross join lateral (
      select sum(u.n)::float8 as n from unnest(l.top_token_counts, l.token_keys) u(n, key)
      where starts_with(u.key, ${p.add(text, 'text')})
    ) m where m.n > 0${filters} ${marker('many', READ_BEGINNINGS, 5)}`
  return { matched: 'token', sql, params: p.values }
}

/** The tokens of each latent that the query matches, in the order given. */
export function snippets(
  { keys, text }: Question,
  matched: 'token' | 'logit',
  latents: readonly { readonly sae: string; readonly index: number }[],
): { sql: string; params: readonly unknown[] } {
  const p = new Parameters()
  const saes = p.add(
    latents.map(({ sae }) => sae),
    'text[]',
  )
  const indices = p.add(
    latents.map(({ index }) => index),
    'int[]',
  )
  const matches = `u.key = any (${p.add(keys, 'text[]')}) or starts_with(u.key, ${p.add(text, 'text')})`
  const found =
    matched === 'token'
      ? `select string_agg(u.token, ', ' order by u.n desc, u.token) as snippet
         from unnest(l.top_tokens, l.top_token_counts, l.token_keys) u(token, n, key) where ${matches}`
      : `select string_agg(u.token, ', ' order by u.place) as snippet
         from unnest(l.top_logits, l.logit_keys) with ordinality u(token, key, place) where ${matches}`
  return {
    sql: `select m.snippet from unnest(${saes}, ${indices}) with ordinality x(sae, index, place)
      join hooke.latents l on l.sae = x.sae and l.index = x.index cross join lateral (${found}) m order by x.place`,
    params: p.values,
  }
}
