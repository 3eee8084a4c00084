/**
 * What a killed writer leaves: temporary files that no one will rename any more.
 *
 * The name of a temporary file says who writes it: `.<name>.<machine>-<pid>-<uuid>.tmp`. It is a leftover once that process is
 * gone. Where that cannot be asked (another machine on a shared disk, a number that a later process has got, a name without
 * them), it is one when nothing was written to it for an hour.
 */

import { createHash, randomUUID } from 'node:crypto'
import { readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { errorCode, explainFileError } from './errors.ts'

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const TEMPORARY = new RegExp(`^\\..+\\.(?:([0-9a-f]{8})-(\\d+)-)?${UUID}\\.tmp$`)

/** A writer that has written nothing for so long is taken for dead. */
const SILENT_MS = 3_600_000

/** Eight hexadecimal digits of this machine's name. */
function machine(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
}

/** A new name beside `path`, for its bytes until they are whole. */
export function temporaryPath(path: string): string {
  const owner = `${machine()}-${process.pid}`
  return join(dirname(path), `.${basename(path)}.${owner}-${randomUUID()}.tmp`)
}

/**
 * Removes temporary files of dead writers from folders, not from those inside them; a folder that does not exist has none.
 * Files that another process is writing stay.
 * @returns the paths removed.
 * @throws FileError if a folder cannot be read or a leftover not be removed.
 */
export async function sweepLeftovers(folders: readonly string[]): Promise<string[]> {
  const removed: string[] = []
  for (const folder of folders) {
    for (const name of await namesIn(folder)) {
      const path = join(folder, name)
      if (!TEMPORARY.test(name) || !(await isAbandoned(path, name))) continue
      await rm(path, { force: true }).catch(async (error: unknown) => {
        throw await explainFileError(error, 'write', path)
      })
      removed.push(path)
    }
  }
  return removed
}

async function isAbandoned(path: string, name: string): Promise<boolean> {
  const [, host, pid] = TEMPORARY.exec(name)!
  if (host === machine() && !isRunning(Number(pid))) return true
  const info = await stat(path).catch(() => undefined) // renamed or removed meanwhile
  return info !== undefined && Date.now() - info.mtimeMs > SILENT_MS
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) !== 'ESRCH' // another user's process may not be asked, but runs
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw await explainFileError(error, 'read', folder)
  }
}
