/** Suites and their SAEs: what there is, in which state, how good. */
import type { TrainFailure } from '../train/index.ts'
import type { Queryable } from './database.ts'
import { storable } from './text.ts'
import type {
  DensityHistogram,
  Sae,
  SaeEntry,
  SaeId,
  SaeMetrics,
  SaeState,
  SaeSummary,
  Suite,
} from './types.ts'

/** Enters a suite, or replaces what is known about it (`info`: suite.json or any part of it). */
export async function upsertSuite(db: Queryable, name: string, info: object = {}): Promise<void> {
  await db.query(
    `insert into hooke.suites (name, info) values ($1, $2::jsonb)
     on conflict (name) do update set info = excluded.info`,
    [storable(name), storable(JSON.stringify(info))],
  )
}

/** What upsertSuite was told about a suite, or undefined where there is none of that name. */
export async function suiteInfo(
  db: Queryable,
  name: string,
): Promise<Record<string, unknown> | undefined> {
  const [row] = await db.query<{ info: Record<string, unknown> }>(
    'select info from hooke.suites where name = $1',
    [name],
  )
  return row?.info
}

/** Enters an SAE in state `waiting` and its suite with it; one that is there keeps state, metrics and labels. */
export async function upsertSae(db: Queryable, sae: SaeEntry): Promise<void> {
  await db.query('insert into hooke.suites (name) values ($1) on conflict do nothing', [sae.suite])
  await db.query(
    `insert into hooke.saes (id, suite, hook, layer, d_in, d_sae, l0_target) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (id) do update set suite = excluded.suite, hook = excluded.hook, layer = excluded.layer,
       d_in = excluded.d_in, d_sae = excluded.d_sae, l0_target = excluded.l0_target`,
    [sae.id, sae.suite, sae.hook, sae.layer ?? null, sae.d_in, sae.d_sae, sae.l0_target ?? null],
  )
}

/** @param failed why, in state `failed`. @throws Error when there is no such SAE. */
export async function setSaeState(
  db: Queryable,
  sae: SaeId,
  state: SaeState,
  failed?: TrainFailure,
): Promise<void> {
  await updated(
    db,
    sae,
    'update hooke.saes set state = $2, failed = $3::jsonb where id = $1 returning id',
    [state, failed ? storable(JSON.stringify(failed)) : null],
  )
}

/** Keeps the metrics and, where given, the density histogram. @throws Error when there is no such SAE. */
export async function setSaeMetrics(
  db: Queryable,
  sae: SaeId,
  metrics: SaeMetrics,
  density_histogram?: DensityHistogram,
): Promise<void> {
  await updated(
    db,
    sae,
    `update hooke.saes set metrics = $2::jsonb, density_histogram = coalesce($3::jsonb, density_histogram)
     where id = $1 returning id`,
    [JSON.stringify(metrics), density_histogram ? JSON.stringify(density_histogram) : null],
  )
}

/** Takes a suite out with its SAEs, latents and labels; its folder stays. */
export async function removeSuite(db: Queryable, name: string): Promise<void> {
  await db.query('delete from hooke.suites where name = $1', [name])
}

type SaeRow = {
  id: string
  suite: string
  hook: string
  layer: number | null
  d_in: number
  d_sae: number
  l0_target: number | null
  state: SaeState
  failed: TrainFailure | null
  metrics: SaeMetrics | null
  density_histogram: DensityHistogram | null
}

const SAE =
  's.id, s.suite, s.hook, s.layer, s.d_in, s.d_sae, s.l0_target, s.state, s.failed, s.metrics, s.density_histogram'
/** In the order of the forward pass, then by width and L0. */
const IN_ORDER = 's.layer nulls first, s.hook, s.d_sae, s.l0_target nulls last, s.id'

/** SAEs by suite, then in the order of the forward pass, then by width and L0. */
export async function listSaes(db: Queryable, suite?: string): Promise<SaeSummary[]> {
  const rows = await db.query<SaeRow & { n_labelled: number }>(
    `select ${SAE}, (select count(distinct l.latent)::int from hooke.labels l
       where l.sae = s.id and l.retired_at is null) as n_labelled
     from hooke.saes s where $1::text is null or s.suite = $1 order by s.suite, ${IN_ORDER}`,
    [suite ?? null],
  )
  return rows.map((row) => ({ ...toSae(row), n_labelled: row.n_labelled }))
}

/** The SAEs of a suite in the order of the forward pass, their labels not counted. */
export async function saesOf(db: Queryable, suite: string): Promise<Sae[]> {
  const rows = await db.query<SaeRow>(
    `select ${SAE} from hooke.saes s where s.suite = $1 order by ${IN_ORDER}`,
    [suite],
  )
  return rows.map(toSae)
}

/** One SAE, its labels not counted; undefined where there is none of that name. */
export async function getSae(db: Queryable, sae: SaeId): Promise<Sae | undefined> {
  const [row] = await db.query<SaeRow>(`select ${SAE} from hooke.saes s where s.id = $1`, [sae])
  return row && toSae(row)
}

/** Every suite, also one without SAEs, by name. */
export async function listSuites(db: Queryable): Promise<Suite[]> {
  const names = await db.query<{ name: string }>('select name from hooke.suites order by name')
  const saes = Map.groupBy(await listSaes(db), (sae) => sae.suite)
  return names.map(({ name }) => ({ name, saes: saes.get(name) ?? [] }))
}

async function updated(db: Queryable, sae: SaeId, sql: string, params: unknown[]): Promise<void> {
  const rows = await db.query(sql, [sae, ...params])
  if (rows.length === 0)
    throw new Error(`no SAE ${JSON.stringify(sae)} in the database. Enter it first (upsertSae).`)
}

function toSae(row: SaeRow): Sae {
  return {
    id: row.id,
    suite: row.suite,
    hook: row.hook,
    ...(row.layer === null ? {} : { layer: row.layer }),
    d_in: row.d_in,
    d_sae: row.d_sae,
    ...(row.l0_target === null ? {} : { l0_target: row.l0_target }),
    state: row.state,
    ...(row.failed === null ? {} : { failed: row.failed }),
    ...(row.metrics === null ? {} : { metrics: row.metrics }),
    ...(row.density_histogram === null ? {} : { density_histogram: row.density_histogram }),
  }
}
