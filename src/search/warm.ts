/** The first search of a process, made before somebody waits for it. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../store/index.ts'
import { warmMeaning } from './meaning.ts'
import { type SearchKind, searchLatents } from './searchLatents.ts'
import { searchScope } from './searchScope.ts'

/** Stands in no label: after every way to match the spelling is tried. */
const NOWHERE = 'qxzjqxzj'

/**
 * Asks what a first search asks, so that the database has compiled its statements and read dictionaries, catalogue and the roots of its
 * indexes: a word that is found, and one that is not. Other work runs in between; an embedded database computes on this thread.
 */
export async function warmSearch(db: Database, signal: AbortSignal): Promise<void> {
  const [label] = await db.query<{ text: string }>(
    'select text from hooke.labels where retired_at is null limit 1',
  )
  const word = /\p{L}+/u.exec(label?.text ?? '')?.[0] ?? NOWHERE
  for (const kind of ['label', 'token', 'logit'] as const satisfies SearchKind[]) {
    if (signal.aborted) return
    await searchLatents(db, { query: word, kind })
    await nextTurn()
  }
  if (signal.aborted) return
  await searchLatents(db, { query: NOWHERE })
  await nextTurn()
  if (signal.aborted) return
  await searchScope(db)
  await warmMeaning(db)
}
