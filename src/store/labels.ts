/** Labels as claims with a history: nothing is overwritten, a newer claim by the same author retires the older, and undo brings it back. */
import { inChunks } from './chunks.ts'
import type { Database, Queryable } from './database.ts'
import { weighDifferences } from './doubt.ts'
import { storable } from './text.ts'
import type { LabelEntry, LabelMethod, SaeId, StoredLabel, Vote } from './types.ts'

/**
 * Enters one label. An earlier one in force by the same method and author on this latent is retired.
 * @throws Error when the SAE is not there or has no such latent; RangeError when the text is empty.
 */
export async function addLabel(db: Database, label: LabelEntry): Promise<StoredLabel> {
  const [sae] = await db.query<{ d_sae: number }>('select d_sae from hooke.saes where id = $1', [
    label.sae,
  ])
  if (!sae)
    throw new Error(`no SAE ${JSON.stringify(label.sae)} in the database. Index its suite first.`)
  if (!Number.isInteger(label.latent) || label.latent < 0 || label.latent >= sae.d_sae)
    throw new RangeError(`latent ${label.latent} of ${label.sae}: expected 0 to ${sae.d_sae - 1}`)
  return db.transaction((tx) => enterLabel(tx, label))
}

/** addLabel inside a transaction, for a latent that is known to be there. */
export async function enterLabel(tx: Queryable, label: LabelEntry): Promise<StoredLabel> {
  const [row] = await insert(tx, [label])
  if (!row) throw new Error('the database did not return the label that it took')
  return toLabel(row)
}

/**
 * Enters many labels, each as addLabel does, in statements of at most about 50 ms; of two for one latent, method and author the
 * last counts. A label that says the same as the one in force is left out, so that a repeated run adds no history.
 * @returns how many were entered.
 */
export async function addLabels(
  db: Database,
  labels: Iterable<LabelEntry> | AsyncIterable<LabelEntry>,
): Promise<number> {
  let n_added = 0
  await inChunks(labels, async (chunk) => {
    const last = new Map(
      chunk.map((l) => [JSON.stringify([l.sae, l.latent, l.method, l.author]), l]),
    )
    await db.transaction(async (tx) => {
      n_added += (await insert(tx, [...last.values()], true)).length
    })
  })
  return n_added
}

const COLUMNS =
  'id, sae, latent, text, method, author, evidence, score, score_method, created_at, retired_at, replaces, disputed'

/** The same with the votes, oldest first. */
const WITH_VOTES = `${COLUMNS}, (
  select jsonb_agg(jsonb_build_object('author', v.author, 'agrees', v.agrees) order by v.voted_at, v.author)
  from hooke.label_votes v where v.label = l.id) as votes`

async function insert(tx: Queryable, labels: LabelEntry[], only_news = false): Promise<LabelRow[]> {
  // `limit 1` keeps the look-up a look-up: as a join, a table without statistics would be read whole for every chunk.
  const source = `jsonb_to_recordset($1::jsonb) as n(sae text, latent integer, text text, method text, author text,
      evidence text, score double precision, score_method text, created_at timestamptz)
    left join lateral (
      select id, text, evidence, score from hooke.labels
      where sae = n.sae and latent = n.latent and method = n.method and author = n.author and retired_at is null limit 1
    ) old on true
    left join lateral (
      select true as is_there from hooke.labels
      where sae = n.sae and latent = n.latent and method = 'manual' and retired_at is null limit 1
    ) manual on true`
  const says_more = only_news
    ? // A score that came with a label gives way to a test of it, and does not come back.
      `(old.id is null or old.text <> n.text or old.evidence <> n.evidence or (n.score is not null
        and old.score is distinct from n.score and not exists (select 1 from hooke.label_scores s where s.label = old.id)))`
    : 'true'
  const rows = JSON.stringify(labels.map(toRow))
  const news = await tx.query<LabelEntry & { old: number | null; is_compared: boolean }>(
    `select n.*, old.id as old, n.method <> 'lexical' or manual.is_there is not null as is_compared from ${source} where ${says_more}`,
    [rows],
  )
  const superseded = news.flatMap(({ old }) => (old === null ? [] : [old]))
  if (superseded.length > 0)
    await tx.query('update hooke.labels set retired_at = now() where id = any ($1::int[])', [
      superseded,
    ])
  const entered = await tx.query<LabelRow>(
    `insert into hooke.labels (sae, latent, text, method, author, evidence, score, score_method, created_at, replaces)
     select sae, latent, text, method, author, evidence, score, score_method, coalesce(created_at, now()), old
     from jsonb_to_recordset($1::jsonb) as n(sae text, latent integer, text text, method text, author text, evidence text,
       score double precision, score_method text, created_at timestamptz, old integer)
     returning ${COLUMNS}`,
    [JSON.stringify(news)],
  )
  const compared = news.filter(({ is_compared }) => is_compared)
  if (compared.length > 0) await weighDifferences(tx, compared)
  return entered
}

/** Withdraws a label; it stays as history. Undefined where there is no such label; retired ones are returned as they are. */
export async function retireLabel(db: Queryable, id: number): Promise<StoredLabel | undefined> {
  const [row] = await db.query<LabelRow>(
    `update hooke.labels set retired_at = coalesce(retired_at, now()) where id = $1 returning ${COLUMNS}`,
    [id],
  )
  if (row) await weighDifferences(db, [row])
  return row && toLabel(row)
}

/**
 * Takes back the last change of a label. One in force is withdrawn, and the claim that it took the place of is in force again;
 * one that is not comes back in force, in the place of what its method and author say now. Done twice it changes nothing.
 * @returns all labels of the latent, as labelsOf; undefined where there is no such label.
 */
export async function undoLabel(db: Database, id: number): Promise<StoredLabel[] | undefined> {
  return db.transaction(async (tx) => {
    const label = await labelById(tx, id)
    if (!label) return undefined
    await takeBack(tx, label)
    return labelsOf(tx, label.sae, label.latent)
  })
}

/** undoLabel inside a transaction. */
export async function takeBack(tx: Queryable, label: StoredLabel): Promise<void> {
  const { sae, latent, method, author } = label
  await tx.query(
    `update hooke.labels set retired_at = now()
     where sae = $1 and latent = $2 and method = $3 and author = $4 and retired_at is null`,
    [sae, latent, method, author],
  )
  const returning = label.retired_at === undefined ? label.replaces : label.id
  if (returning !== undefined)
    await tx.query('update hooke.labels set retired_at = null where id = $1', [returning])
  await weighDifferences(tx, [label])
}

/** One label with its votes, or undefined where there is none of that number. */
export async function labelById(db: Queryable, id: number): Promise<StoredLabel | undefined> {
  const [row] = await db.query<LabelRow>(`select ${WITH_VOTES} from hooke.labels l where id = $1`, [
    id,
  ])
  return row && toLabel(row)
}

/**
 * All labels of a latent with their votes: those in force first (undisputed before disputed; manual, llm, lexical), then the
 * retired; newest first within each.
 */
export async function labelsOf(db: Queryable, sae: SaeId, latent: number): Promise<StoredLabel[]> {
  const rows = await db.query<LabelRow>(
    `select ${WITH_VOTES} from hooke.labels l where sae = $1 and latent = $2
     order by retired_at is not null, disputed and retired_at is null, case when retired_at is null then -trust end, id desc`,
    [sae, latent],
  )
  return rows.map(toLabel)
}

/** Rows that one statement of suiteLabels reads. */
const PAGE = 1_000

/** The labels in force of all SAEs of a suite with their votes, by SAE and latent, read a page at a time. */
export async function* suiteLabels(db: Queryable, suite: string): AsyncGenerator<StoredLabel> {
  let after: [string, number, number] = ['', -1, -1]
  for (;;) {
    const rows = await db.query<LabelRow>(
      `select ${WITH_VOTES} from hooke.labels l
       where sae in (select id from hooke.saes where suite = $1) and retired_at is null
         and (sae, latent, id) > ($2, $3::int, $4::int) order by sae, latent, id limit ${PAGE}`,
      [suite, ...after],
    )
    yield* rows.map(toLabel)
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = [last.sae, last.latent, last.id]
  }
}

/** Indices of an SAE's latents that carry a label in force by this method (and author), ascending: what a resumed run skips. */
export async function labelledLatents(
  db: Queryable,
  sae: SaeId,
  method: LabelMethod,
  author?: string,
): Promise<number[]> {
  const rows = await db.query<{ latent: number }>(
    `select distinct latent from hooke.labels
     where sae = $1 and method = $2 and ($3::text is null or author = $3) and retired_at is null order by latent`,
    [sae, method, author ?? null],
  )
  return rows.map((row) => row.latent)
}

function toRow(label: LabelEntry): LabelEntry {
  const text = storable(label.text).trim()
  if (text === '')
    throw new RangeError(`label of latent ${label.latent} of ${label.sae} is empty, expected text`)
  return { ...label, text, author: storable(label.author), evidence: storable(label.evidence) }
}

type LabelRow = {
  id: number
  sae: string
  latent: number
  text: string
  method: LabelMethod
  author: string
  evidence: string
  score: number | null
  score_method: string | null
  created_at: Date
  retired_at: Date | null
  replaces: number | null
  disputed: boolean
  votes?: Vote[] | null
}

function toLabel(row: LabelRow): StoredLabel {
  return {
    id: row.id,
    sae: row.sae,
    latent: row.latent,
    text: row.text,
    method: row.method,
    author: row.author,
    evidence: row.evidence,
    created_at: row.created_at.toISOString(),
    ...(row.score === null ? {} : { score: row.score }),
    ...(row.score_method === null ? {} : { score_method: row.score_method }),
    ...(row.retired_at === null ? {} : { retired_at: row.retired_at.toISOString() }),
    ...(row.replaces === null ? {} : { replaces: row.replaces }),
    ...(row.votes ? { votes: row.votes } : {}),
    ...(row.disputed ? { disputed: true as const } : {}),
  }
}
