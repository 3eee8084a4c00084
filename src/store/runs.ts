/** Runs of long work and the points they measure on the way. */
import { randomUUID } from 'node:crypto'
import { inChunks } from './chunks.ts'
import type { Queryable } from './database.ts'
import { storable } from './text.ts'
import type { Run, RunKind, RunPoint, RunState, SaeId } from './types.ts'

/** Whether a run is over: nothing works on it any more, and nothing waits to. */
export const hasEnded = (state: RunState): boolean =>
  state === 'done' || state === 'failed' || state === 'stopped'

/** Enters a run in state `queued`. @param run.id made up where absent. */
export async function createRun(
  db: Queryable,
  run: { id?: string; kind: RunKind; suite?: string | undefined; message?: string },
): Promise<Run> {
  const [row] = await db.query<RunRow>(
    `insert into hooke.runs (id, kind, suite, state, message) values ($1, $2, $3, 'queued', $4) returning *`,
    [run.id ?? randomUUID(), run.kind, run.suite ?? null, storable(run.message ?? 'waiting')],
  )
  if (!row) throw new Error('the database did not return the run that it took')
  return toRun(row)
}

/**
 * Changes what is given and leaves the rest. `running` sets started_at once; `done`, `failed` and `stopped` set ended_at and
 * clear remaining_ms; back to `queued`, `running` or `paused` clears ended_at and error. `remaining_ms: null` clears it.
 * @throws Error when there is no such run.
 */
export async function updateRun(
  db: Queryable,
  id: string,
  change: {
    state?: RunState
    message?: string
    progress?: number
    remaining_ms?: number | null
    error?: string
  },
): Promise<Run> {
  const ends = change.state !== undefined && hasEnded(change.state)
  const begins = change.state !== undefined && !ends
  const [row] = await db.query<RunRow>(
    `update hooke.runs set
       state = coalesce($2, state), message = coalesce($3, message), progress = coalesce($4, progress),
       remaining_ms = case when $5 then null else coalesce($6, remaining_ms) end,
       error = case when $8 then null else coalesce($7, error) end,
       started_at = case when $2 = 'running' then coalesce(started_at, clock_timestamp()) else started_at end,
       ended_at = case when $8 then null when $9 then clock_timestamp() else ended_at end
     where id = $1 returning *`,
    [
      id,
      change.state ?? null,
      change.message === undefined ? null : storable(change.message),
      change.progress === undefined ? null : Math.min(1, Math.max(0, change.progress)),
      ends || change.remaining_ms === null,
      change.remaining_ms ?? null,
      change.error === undefined ? null : storable(change.error),
      begins,
      ends,
    ],
  )
  if (!row) throw new Error(`no run ${JSON.stringify(id)} in the database`)
  return toRun(row)
}

/** One run, or undefined where there is none of that id. */
export async function getRun(db: Queryable, id: string): Promise<Run | undefined> {
  const [row] = await db.query<RunRow>('select * from hooke.runs where id = $1', [id])
  return row && toRun(row)
}

/** Newest first. */
export async function listRuns(db: Queryable, limit = 100): Promise<Run[]> {
  const rows = await db.query<RunRow>(
    'select * from hooke.runs order by created_at desc, id limit $1',
    [limit],
  )
  return rows.map(toRun)
}

/** Keeps points of a run; a step that was measured again (after a resume) replaces the former. */
export async function addPoints(
  db: Queryable,
  run: string,
  points: Iterable<RunPoint>,
): Promise<void> {
  await inChunks(points, async (chunk) => {
    const last = new Map(chunk.map((point) => [`${point.sae} ${point.step}`, point]))
    await db.query(
      `insert into hooke.run_points
       select $1, p.* from jsonb_to_recordset($2::jsonb) as p(${POINT_COLUMNS})
       on conflict (run, sae, step) do update set n_steps = excluded.n_steps, n_tokens = excluded.n_tokens, mse = excluded.mse,
         sparsity_loss = excluded.sparsity_loss, l0 = excluded.l0, fvu = excluded.fvu, dead = excluded.dead,
         tokens_per_s = excluded.tokens_per_s, aux_loss = excluded.aux_loss, lambda = excluded.lambda`,
      [run, JSON.stringify([...last.values()])],
    )
  })
}

const POINT_COLUMNS = `sae text, step integer, n_steps integer, n_tokens double precision, mse double precision,
  sparsity_loss double precision, l0 double precision, fvu double precision, dead double precision, tokens_per_s double precision, aux_loss double precision, lambda double precision`

/** Points of a run (of one SAE where given), by SAE, then step. */
export async function pointsOf(db: Queryable, run: string, sae?: SaeId): Promise<RunPoint[]> {
  const rows = await db.query<PointRow>(
    `select ${POINT_FIELDS} from hooke.run_points
     where run = $1 and ($2::text is null or sae = $2) order by sae, step`,
    [run, sae ?? null],
  )
  return rows.map(toPoint)
}

/**
 * Points of a suite from all of its runs, by SAE, then step; where two runs measured the same step, the later one's.
 * @param since leaves out runs that ended before, in ISO 8601: those of an older suite of this name.
 */
export async function suitePoints(
  db: Queryable,
  suite: string,
  since?: string,
): Promise<RunPoint[]> {
  const rows = await db.query<PointRow>(
    `select distinct on (sae, step) ${POINT_FIELDS} from hooke.run_points join hooke.runs on runs.id = run_points.run
     where suite = $1 and ($2::timestamptz is null or ended_at is null or ended_at >= $2::timestamptz)
     order by sae, step, created_at desc`,
    [suite, since ?? null],
  )
  return rows.map(toPoint)
}

const POINT_FIELDS =
  'sae, step, n_steps, n_tokens, mse, sparsity_loss, aux_loss, lambda, l0, fvu, dead, tokens_per_s'

type PointRow = Omit<RunPoint, 'aux_loss' | 'lambda'> & {
  aux_loss: number | null
  lambda: number | null
}

function toPoint({ aux_loss, lambda, ...point }: PointRow): RunPoint {
  return {
    ...point,
    ...(aux_loss === null ? {} : { aux_loss }),
    ...(lambda === null ? {} : { lambda }),
  }
}

type RunRow = {
  id: string
  kind: RunKind
  suite: string | null
  state: RunState
  message: string
  progress: number
  remaining_ms: number | null
  error: string | null
  started_at: Date | null
  ended_at: Date | null
}

function toRun(row: RunRow): Run {
  return {
    id: row.id,
    kind: row.kind,
    ...(row.suite === null ? {} : { suite: row.suite }),
    state: row.state,
    message: row.message,
    progress: row.progress,
    ...(row.remaining_ms === null ? {} : { remaining_ms: row.remaining_ms }),
    ...(row.started_at === null ? {} : { started_at: row.started_at.toISOString() }),
    ...(row.ended_at === null ? {} : { ended_at: row.ended_at.toISOString() }),
    ...(row.error === null ? {} : { error: row.error }),
  }
}
