/**
 * One process fetches a blob at a time; others wait for it. The mark also tells whose an incomplete file is.
 *
 * Python's locks (flock) cannot be had from here. What keeps files whole is not the lock: a blob gets its name only once its
 * checksum is right, and writers of one blob write the same bytes at the same places.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { errorCode, explainFileError } from '../files/index.ts'

const BEAT_MS = 5_000
/** A holder that has not touched its mark for so long is dead. */
const SILENT_MS = 4 * BEAT_MS

type Holder = { readonly host: string; readonly pid: number; readonly token: string }

export type BlobLock = {
  /** Whether a process of ours has begun this blob before and stopped. */
  readonly isResumed: boolean
  /** @param isDone removes the mark; otherwise it stays, released, beside what is incomplete. */
  release(isDone: boolean): Promise<void>
}

/**
 * Takes the mark at `path`.
 * @returns `undefined` when `isSettled` came true while waiting for another's work.
 */
export async function lockBlob(
  path: string,
  { signal, isSettled }: { signal?: AbortSignal | undefined; isSettled: () => Promise<boolean> },
): Promise<BlobLock | undefined> {
  const mine: Holder = { host: hostname(), pid: process.pid, token: randomUUID() }
  for (;;) {
    signal?.throwIfAborted()
    if (await isSettled()) return undefined
    const found = await readHolder(path)
    if (found === 'none' ? await create(path, mine) : await takeOver(path, found, mine))
      return hold(path, mine, found !== 'none')
    await setTimeout(100, undefined, { signal })
  }
}

function hold(path: string, mine: Holder, isResumed: boolean): BlobLock {
  const touch = () => utimes(path, new Date(), new Date()).catch(() => undefined) // taken over meanwhile
  const beat = setInterval(() => void touch(), BEAT_MS)
  beat.unref()
  return {
    isResumed,
    async release(isDone) {
      clearInterval(beat)
      const found = await readHolder(path)
      if (typeof found === 'string' || found.token !== mine.token) return
      if (isDone) await rm(path, { force: true })
      else await writeFile(path, RELEASED)
    },
  }
}

const RELEASED = '{}'

async function create(path: string, mine: Holder): Promise<boolean> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, JSON.stringify(mine), { flag: 'wx' })
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw await explainFileError(error, 'write', path)
  }
}

async function takeOver(path: string, found: Holder | 'free', mine: Holder): Promise<boolean> {
  if (found !== 'free' && (await isAtWork(path, found))) return false
  const temporary = `${path}.${mine.token}`
  await writeFile(temporary, JSON.stringify(mine))
  await rename(temporary, path)
  // Of several that take over at once the last has it.
  await setTimeout(20)
  const now = await readHolder(path)
  return typeof now !== 'string' && now.token === mine.token
}

async function isAtWork(path: string, { host, pid }: Holder): Promise<boolean> {
  const touched_ms = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.NEGATIVE_INFINITY,
  )
  if (Date.now() - touched_ms > SILENT_MS) return false
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}

/** `free` where the mark was released, or was cut short by a crash. */
async function readHolder(path: string): Promise<Holder | 'none' | 'free'> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'none'
    throw await explainFileError(error, 'read', path)
  }
  try {
    const value: unknown = JSON.parse(text)
    const isHolder =
      typeof value === 'object' &&
      value !== null &&
      'pid' in value &&
      typeof value.pid === 'number' &&
      'host' in value &&
      'token' in value
    return isHolder ? (value as Holder) : 'free'
  } catch {
    return 'free'
  }
}
