/** Embeddings of labels, for search by meaning: tables made when they are first needed, as they need the extension pgvector. */
import type { Database, Queryable } from './database.ts'

/** What embeds texts: enough to open it again. Keys are never kept. */
export type EmbedderSource = {
  /** An OpenAI-compatible API at `base_url`, or a sentence encoder in ONNX: a folder or a Hub id. */
  readonly kind: 'api' | 'onnx'
  readonly model: string
  readonly base_url?: string | undefined
  /** What the model wants to stand before a query, and before a text that is searched. */
  readonly query_prefix?: string | undefined
  readonly text_prefix?: string | undefined
}

/** The one model that embedded the labels of this database. */
export type StoredEmbedder = { readonly source: EmbedderSource; readonly dims: number }

/** More than this `halfvec` does not hold. */
const MOST_DIMS = 16_000
/** The first pgvector whose index goes on where filters leave too few. */
const OLDEST_PGVECTOR = '0.8'

/** The model that embedded labels here; undefined where none did. */
export async function storedEmbedder(db: Queryable): Promise<StoredEmbedder | undefined> {
  const [there] = await db.query<{ is: boolean }>(
    "select to_regclass('hooke.embedder') is not null as is",
  )
  if (!there?.is) return undefined
  const [row] = await db.query<StoredEmbedder>('select source, dims from hooke.embedder')
  return row
}

/**
 * Makes the tables for vectors of `dims` numbers; vectors of another model are dropped.
 * @throws Error where the server has no pgvector of 0.8 or later; RangeError for more dimensions than it keeps.
 */
export async function prepareVectors(
  db: Database,
  { source, dims }: StoredEmbedder,
): Promise<void> {
  if (!Number.isInteger(dims) || dims < 1 || dims > MOST_DIMS)
    throw new RangeError(
      `${source.model} gives ${dims} numbers a text, expected 1 to ${MOST_DIMS}; take a smaller model`,
    )
  await requirePgvector(db)
  await db.transaction(async (tx) => {
    await tx.query('drop table if exists hooke.label_vectors')
    await tx.query('drop table if exists hooke.embedder')
    await tx.query('create table hooke.embedder (source jsonb not null, dims integer not null)')
    await tx.query('insert into hooke.embedder values ($1::jsonb, $2)', [
      JSON.stringify(source),
      dims,
    ])
    await tx.query(`create table hooke.label_vectors (
      label integer primary key references hooke.labels(id) on delete cascade, vector halfvec(${dims}) not null)`)
    await tx.query(
      `create index label_vectors_bits on hooke.label_vectors using hnsw ((${bitsOf('vector', dims)}) bit_hamming_ops)`,
    )
  })
}

async function requirePgvector(db: Database): Promise<void> {
  const remedy = `Install pgvector ${OLDEST_PGVECTOR} or later on the server, or use the embedded database (without DATABASE_URL).`
  try {
    await db.exec('create extension if not exists vector')
    await db.exec('alter extension vector update')
  } catch (cause) {
    throw new Error(
      `${db.location}: the extension pgvector is not there, so vectors cannot be kept. ${remedy}`,
      { cause },
    )
  }
  const [is] = await db.query<{ version: string }>(
    "select extversion as version from pg_extension where extname = 'vector'",
  )
  const isOld = is && is.version.localeCompare(OLDEST_PGVECTOR, 'en', { numeric: true }) < 0
  if (isOld) throw new Error(`${db.location}: its pgvector is ${is.version}. ${remedy}`)
}

/**
 * The signs of a vector's numbers, in SQL: what the index holds. It is built in a tenth of the time and takes a fifth of the space
 * of one over the numbers, and what it finds is put in order by the vectors themselves.
 */
export const bitsOf = (vector: string, dims: number): string =>
  `binary_quantize(${vector})::bit(${dims})`

/** Labels in force of a suite, how many of them have a vector. */
export async function countVectors(
  db: Queryable,
  suite: string,
): Promise<{ n_labels: number; n_embedded: number }> {
  const [row] = await db.query<{ n_labels: number; n_embedded: number }>(
    `select count(*)::int as n_labels, count(v.label)::int as n_embedded
     from hooke.labels l left join hooke.label_vectors v on v.label = l.id
     where l.retired_at is null and l.sae in (select id from hooke.saes where suite = $1)`,
    [suite],
  )
  return row ?? { n_labels: 0, n_embedded: 0 }
}

/** The next labels in force of a suite without a vector, by id. */
export async function labelsWithoutVector(
  db: Queryable,
  suite: string,
  after: number,
  most: number,
): Promise<{ id: number; text: string }[]> {
  return db.query(
    `select l.id, l.text from hooke.labels l
     where l.id > $2 and l.retired_at is null and l.sae in (select id from hooke.saes where suite = $1)
       and not exists (select from hooke.label_vectors v where v.label = l.id)
     order by l.id limit $3`,
    [suite, after, most],
  )
}

/** Enters vectors of labels, each of the stored embedder's length. */
export async function putLabelVectors(
  db: Queryable,
  rows: readonly { readonly id: number; readonly vector: Float32Array }[],
): Promise<void> {
  await db.query(
    `insert into hooke.label_vectors select u.id, u.v::halfvec from unnest($1::int[], $2::text[]) u(id, v)
     on conflict (label) do update set vector = excluded.vector`,
    [rows.map(({ id }) => id), rows.map(({ vector }) => vectorText(vector))],
  )
}

/** A vector of norm 1 as pgvector reads it: to six places, more than `halfvec` keeps. */
export const vectorText = (vector: Float32Array): string =>
  `[${Array.from(vector, (x) => Math.round(x * 1e6) / 1e6).join(',')}]`
