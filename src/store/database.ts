/** One Postgres dialect over two carriers: PGlite inside this program, or a server by URL. */
import type { PgBoss } from 'pg-boss'
import { openEmbedded } from './embedded.ts'
import { migrate } from './migrations.ts'
import { openServer } from './server.ts'

/** Runs one statement with `$1`-style parameters and returns its rows. */
export interface Queryable {
  query<T>(sql: string, params?: readonly unknown[]): Promise<T[]>
}

/** How pg-boss 12 is put on the same database: spread it into `new PgBoss({ ...db.boss })`. */
export type BossOptions = Pick<
  Exclude<ConstructorParameters<typeof PgBoss>[0], string>,
  'db' | 'backend' | 'connectionString'
>

/** An open database. Integers beyond 2^53 do not occur; `timestamptz` arrives as Date, `jsonb` parsed, arrays as arrays. */
export interface Database extends Queryable {
  readonly kind: 'pglite' | 'postgres'
  /** The folder, `memory://`, or the URL without its password. */
  readonly location: string
  readonly boss: BossOptions
  /** Runs several statements without parameters. */
  exec(sql: string): Promise<void>
  /** Commits when `run` resolves, rolls back when it throws. Inside, use only `tx`: the database itself would wait for the end. */
  transaction<T>(run: (tx: Queryable) => Promise<T>): Promise<T>
  /** Waits for what is under way, then lets go of the files or connections. */
  close(): Promise<void>
}

/**
 * Opens the database at `location` and brings its tables up to date.
 * @param location a folder (made where missing), `memory://`, or `postgres://user:password@host/name`.
 * @throws Error when another program holds the folder (says which and what to do), when the server cannot be reached, and
 * when the tables were made by a later version of Hooke.
 */
export async function openDatabase(location: string): Promise<Database> {
  const db = /^postgres(ql)?:\/\//.test(location)
    ? await openServer(location)
    : await openEmbedded(location)
  try {
    await migrate(db)
  } catch (cause) {
    await db.close()
    throw cause
  }
  return db
}
