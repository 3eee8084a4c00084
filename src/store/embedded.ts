/** Postgres inside this program: PGlite over a folder or in memory. One connection, so statements queue. */
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { vector } from '@electric-sql/pglite-pgvector'
import { fromPglite } from 'pg-boss'
import type { Database } from './database.ts'
import { lockFolder } from './lock.ts'

const EXTENSIONS = { pg_trgm, vector }

/**
 * @param location `memory://` or a folder; its lock is `<folder>.lock`, beside it.
 * @throws Error when another living process holds the folder, or when it cannot be opened.
 */
export async function openEmbedded(location: string): Promise<Database> {
  if (location === 'memory://')
    return wrap(await PGlite.create({ extensions: EXTENSIONS }), location)
  const folder = resolve(location)
  await mkdir(folder, { recursive: true })
  const lock = await lockFolder(folder)
  try {
    const pglite = await PGlite.create({ dataDir: folder, extensions: EXTENSIONS })
    return wrap(pglite, folder, () => lock.release())
  } catch (cause) {
    await lock.release()
    throw new Error(
      `${folder}: the database does not open. If its files are damaged, move the folder away: labels set by hand are lost, all else is made again from the suites.`,
      { cause },
    )
  }
}

function wrap(pglite: PGlite, location: string, onClose?: () => Promise<void>): Database {
  return {
    kind: 'pglite',
    location,
    boss: { db: fromPglite(pglite), backend: 'pglite' },
    query: async <T>(sql: string, params: readonly unknown[] = []) =>
      (await pglite.query<T>(sql, [...params])).rows as T[],
    exec: async (sql) => {
      await pglite.exec(sql)
    },
    transaction: (run) =>
      pglite.transaction((tx) =>
        run({
          query: async <T>(sql: string, params: readonly unknown[] = []) =>
            (await tx.query<T>(sql, [...params])).rows as T[],
        }),
      ),
    close: async () => {
      if (!pglite.closed) await pglite.close()
      await onClose?.()
    },
  }
}
