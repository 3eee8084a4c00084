/** Postgres as a server, reached by URL through a pool of connections. */
import { Pool, types } from 'pg'
import type { Database } from './database.ts'

const OID_INT8 = 20

/**
 * @param url `postgres://user:password@host:port/name`; the user must own the database, or pg_trgm be installed in it.
 * @throws Error when the server cannot be reached or refuses; the message never carries the password.
 */
export async function openServer(url: string): Promise<Database> {
  const shown = withoutPassword(url)
  const pool = new Pool({
    connectionString: url,
    max: 8,
    types: {
      getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
        oid === OID_INT8 && format !== 'binary'
          ? Number
          : types.getTypeParser(oid, format)) as typeof types.getTypeParser,
    },
  })
  // A connection that dies while idle is replaced by the pool; the next statement says so if the server is gone.
  pool.on('error', () => {})
  try {
    await pool.query('select 1')
  } catch (cause) {
    await pool.end()
    throw new Error(
      `${shown}: cannot connect to Postgres (${reason(cause)}). Is the server up, and are user, password and database name right?`,
      { cause },
    )
  }
  return {
    kind: 'postgres',
    location: shown,
    boss: { connectionString: url },
    query: async <T>(sql: string, params: readonly unknown[] = []) =>
      (await pool.query(sql, [...params])).rows as T[],
    exec: async (sql) => {
      await pool.query(sql)
    },
    transaction: async (run) => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const result = await run({
          query: async <T>(sql: string, params: readonly unknown[] = []) =>
            (await client.query(sql, [...params])).rows as T[],
        })
        await client.query('commit')
        client.release()
        return result
      } catch (cause) {
        const broken = await client.query('rollback').then(
          () => false,
          () => true,
        )
        client.release(broken)
        throw cause
      }
    },
    close: () => pool.end(),
  }
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  // A refused connection to a name with several addresses is an AggregateError without a message.
  return cause.message || ('code' in cause ? String(cause.code) : cause.name)
}

function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return 'postgres URL'
  const parsed = new URL(url)
  if (parsed.password) parsed.password = '***'
  parsed.searchParams.delete('password')
  return parsed.href
}
