/** From the suite a person names to its SAEs and its workspace's database. */
import { dirname, join, resolve } from 'node:path'
import type { SaeEntry } from '../sae/index.ts'
import type { Database } from '../store/index.ts'
import { CliError } from './errors.ts'

/** The database that DATABASE_URL names, in place of a workspace's own. */
export function databaseOption(): { database?: string } {
  const url = process.env.DATABASE_URL?.trim()
  return url ? { database: url } : {}
}

/** The database of the workspace that holds a suite, with the suite imported; damaged files are named on standard error. */
export async function openSuiteDatabase(suite: string): Promise<Database> {
  const { openDatabase } = await import('../store/index.ts')
  const { importSuite } = await import('../jobs/index.ts')
  await suiteEntries(suite)
  const location = databaseOption().database ?? join(dirname(resolve(suite)), '.hooke', 'db')
  const db = await openDatabase(location)
  try {
    for (const { message } of await importSuite(db, resolve(suite)))
      console.error(`left out: ${message}`)
    return db
  } catch (error) {
    await db.close()
    throw error
  }
}

/** The SAEs of a suite. @throws CliError where there is none. */
export async function suiteEntries(suite: string): Promise<SaeEntry[]> {
  const { listSuite } = await import('../sae/disk.ts')
  const entries = await listSuite(suite)
  if (entries.length === 0)
    throw new CliError(
      `${suite} holds no SAE. Give the folder that hooke train wrote (hooke demo writes hooke-demo/thimble-5m).`,
    )
  return entries
}

/** `blocks.3.hook_resid_post/417` as an SAE of the suite and a latent of it; `what` is how the user knows the text. */
export function parseLatent(
  text: string,
  entries: readonly SaeEntry[],
  what = '--latent',
): { entry: SaeEntry; latent: number } {
  const slash = text.lastIndexOf('/')
  const [hook, index] = [text.slice(0, slash), Number(text.slice(slash + 1))]
  const matches = entries.filter((entry) => entry.hook === hook || entry.path.endsWith(`/${hook}`))
  const [entry] = matches
  if (slash < 0 || entry === undefined)
    throw new CliError(
      `${what} is ${text}, expected HOOK/INDEX with a hook of ${entries.map((e) => e.hook).join(', ')}.`,
    )
  if (matches.length > 1)
    throw new CliError(
      `${what} ${text}: the suite has ${matches.length} SAEs there; say which: ${matches.map((e) => `${e.path.split('/').slice(-3).join('/')}/${index}`).join(', ')}.`,
    )
  if (text.endsWith('/') || !Number.isInteger(index) || index < 0 || index >= entry.d_sae)
    throw new CliError(`${what} ${text}: expected an index from 0 to ${entry.d_sae - 1}.`)
  return { entry, latent: index }
}
