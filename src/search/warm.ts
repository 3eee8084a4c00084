/** The first search of a process, made before somebody waits for it. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../store/index.ts'
import { type SearchKind, searchLatents } from './searchLatents.ts'
import { searchScope } from './searchScope.ts'

/** Stands in no label: every way to match is tried, and then the spelling. */
const QUERY = 'qxzjqxzj'

/**
 * Asks what a first search asks, so that the database has compiled its statements and read dictionaries, catalogue and the roots of its
 * indexes. Other work runs in between; an embedded database computes on this thread.
 */
export async function warmSearch(db: Database, signal: AbortSignal): Promise<void> {
  for (const kind of ['label', 'token', 'logit'] as const satisfies SearchKind[]) {
    if (signal.aborted) return
    await searchLatents(db, { query: QUERY, kind, limit: 1 })
    await nextTurn()
  }
  if (!signal.aborted) await searchScope(db)
}
