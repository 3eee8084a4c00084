/** What many test files need and none changes is made once in a run, by whichever asks first; the others wait for it. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const RUN = 'HOOKE_TEST_RUN'

/** Called by vitest around the whole run. */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'hooke-run-'))
  process.env[RUN] = folder
  return () => rm(folder, { recursive: true, force: true })
}

/**
 * The folder of that name, after `make` has filled it in this process or another. Nobody may write into it.
 * @throws what `make` throws; the next to ask tries again.
 */
export async function madeOnce(
  name: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const run = process.env[RUN]
  if (run === undefined) throw new Error('madeOnce: run the tests with vitest, at the repository')
  const folder = join(run, name)
  const [done, lock] = [`${folder}.done`, `${folder}.lock`]
  for (;;) {
    if (existsSync(done)) return folder
    const isOurs = await mkdir(lock).then(
      () => true,
      () => false,
    )
    if (isOurs) break
    await sleep(50)
  }
  try {
    if (existsSync(done)) return folder
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder)
    await make(folder)
    await writeFile(done, '')
    return folder
  } finally {
    await rm(lock, { recursive: true })
  }
}
