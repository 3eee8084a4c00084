/** A lock file beside an embedded database: two programs that write one folder would destroy it. */
import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'

type Holder = {
  readonly pid: number
  readonly host: string
  /** When the process began, in kernel ticks since boot; absent where the system does not tell. Tells a reused pid apart. */
  readonly ticks?: string
  readonly since: string
  readonly token: string
}

/**
 * Takes `<folder>.lock`. A lock whose process is gone is stale and taken over.
 * @throws Error when a living process holds it: says which, since when, and what to do.
 */
export async function lockFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const path = `${folder}.lock`
  const ticks = await startTicks(process.pid)
  const mine: Holder = {
    pid: process.pid,
    host: hostname(),
    ...(ticks === undefined ? {} : { ticks }),
    since: new Date().toISOString(),
    token: randomUUID(),
  }
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await writeFile(path, JSON.stringify(mine), { flag: 'wx' })
      return { release: () => release(path, mine) }
    } catch (cause) {
      if (!hasCode(cause, 'EEXIST')) throw cause
      const holder = await readHolder(path)
      if (holder === 'gone') continue
      // Another program that is just taking it has made the file and not written it yet.
      if (holder === 'unreadable' && attempt === 0) {
        await setTimeout(200)
        continue
      }
      if (holder !== 'unreadable' && (await isAlive(holder)))
        throw heldError(folder, path, holder, cause)
      await removeStale(path, holder)
    }
  }
  throw new Error(
    `${path}: the lock changes hands too fast. Is another program starting on this workspace?`,
  )
}

async function release(path: string, mine: Holder): Promise<void> {
  const holder = await readHolder(path)
  if (typeof holder !== 'string' && holder.token === mine.token) await rm(path, { force: true })
}

/** Renaming is atomic: of two programs that find the same stale lock one moves it, and puts back what it did not mean. */
async function removeStale(path: string, stale: Holder | 'unreadable'): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return
    throw cause
  }
  const moved = await readHolder(aside)
  const expected =
    stale === 'unreadable'
      ? typeof moved === 'string'
      : typeof moved !== 'string' && moved.token === stale.token
  if (expected) await rm(aside, { force: true })
  else await rename(aside, path)
}

async function readHolder(path: string): Promise<Holder | 'gone' | 'unreadable'> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    const isHolder =
      typeof value === 'object' &&
      value !== null &&
      'pid' in value &&
      typeof value.pid === 'number' &&
      'host' in value &&
      'token' in value
    return isHolder ? (value as Holder) : 'unreadable'
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return 'gone'
    if (cause instanceof SyntaxError) return 'unreadable'
    throw cause
  }
}

/** A holder on another machine counts as alive: nothing here can tell. */
async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true
  try {
    process.kill(holder.pid, 0)
  } catch (cause) {
    if (hasCode(cause, 'ESRCH')) return false
    if (!hasCode(cause, 'EPERM')) throw cause
  }
  const ticks = await startTicks(holder.pid)
  return ticks === undefined || holder.ticks === undefined || ticks === holder.ticks
}

/** Field 22 of /proc/<pid>/stat; undefined where there is no /proc. */
async function startTicks(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch (cause) {
    if (hasCode(cause, 'ENOENT') || hasCode(cause, 'EACCES') || hasCode(cause, 'ESRCH'))
      return undefined
    throw cause
  }
}

function heldError(folder: string, path: string, holder: Holder, cause: unknown): Error {
  const here = holder.host === hostname()
  const who =
    here && holder.pid === process.pid
      ? 'this program itself'
      : `process ${holder.pid}${here ? '' : ` on ${holder.host}`}`
  const fix = here
    ? 'Stop that program (Ctrl-C in its terminal) or use its page; for several programs at once set DATABASE_URL to a Postgres server.'
    : `Stop it there; if that machine is gone, delete ${path}.`
  return new Error(`${folder}: the database is in use by ${who} since ${holder.since}. ${fix}`, {
    cause,
  })
}

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code
}
