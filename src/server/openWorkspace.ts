/** Opens everything a workspace needs, without a socket: database, threads, queue, and the application over them. */
import { join } from 'node:path'
import { listFolder, makeFolder, packageRoot, packageVersion } from '../files/index.ts'
import { type AskSettings, importSuite, JobQueue, readSuiteFile } from '../jobs/index.ts'
import type { OpenModelOptions } from '../model/index.ts'
import { listSuite } from '../sae/disk.ts'
import { warmSearch } from '../search/index.ts'
import { type Database, openDatabase } from '../store/index.ts'
import type { AllowedModels } from './allowedModels.ts'
import { createApp } from './app.ts'
import { createContext } from './context.ts'
import { EventHub } from './eventHub.ts'
import { Inference } from './inference.ts'

export type WorkspaceOptions = {
  /** Folder of suites; made where missing. */
  readonly workspace: string
  /** A folder, `memory://` or a Postgres URL; `<workspace>/.hooke/db` by default. */
  readonly database?: string
  /** How the model behind the page is opened (default: two threads). */
  readonly model?: OpenModelOptions
  /** Folder of the built page; the package's own by default. */
  readonly page?: string
  /** Asked for on every request where given. */
  readonly token?: string
  /** Whatever `Host` a request names is answered: the token, or that there is no socket, guards it. */
  readonly any_host: boolean
  /** Models that a request may name beside the suites' own and the bundled ones (default: any on this machine). */
  readonly models?: AllowedModels
  /** The language model that tests labels when the page asks for it (default: none, and only free tests are offered). */
  readonly judge?: AskSettings
}

/** A workspace whose application answers. */
export type OpenWorkspace = {
  readonly app: ReturnType<typeof createApp>
  readonly db: Database
  readonly jobs: JobQueue
  readonly hub: EventHub
  /** Resolves when the suites that lie in the workspace are in the database. */
  readonly imported: Promise<void>
  /** Stops the run under way at its checkpoint, ends the threads, closes the database. */
  close(): Promise<void>
}

/**
 * Opens a workspace. It answers before its suites are imported.
 * @throws Error if the database is in use by another program: says which.
 */
export async function openWorkspace(options: WorkspaceOptions): Promise<OpenWorkspace> {
  const { workspace, token, any_host, judge, models = 'any' } = options
  await makeFolder(workspace)
  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const db = await openDatabase(options.database ?? join(workspace, '.hooke', 'db'))
    closers.push(() => db.close())
    const inference = new Inference({ threads: 2, ...options.model })
    closers.push(() => inference.close())
    const hub = new EventHub()
    const jobs = await JobQueue.open(db, { onEvent: (event) => hub.publish(event) })
    closers.push(() => jobs.close())
    const context = createContext({
      db,
      workspace,
      inference,
      hub,
      jobs,
      version: packageVersion(),
      models,
      judge,
    })
    closers.push(() => context.close())
    const app = createApp(context, {
      ...(token === undefined ? {} : { token }),
      any_host,
      page: options.page ?? join(packageRoot(), 'web', 'dist'),
    })
    const imported = importWorkspace(workspace, db, () =>
      hub.publish({ type: 'changed', what: 'workspace' }),
    )
    const closing = new AbortController()
    // Where the import failed whoever waits for it is told; a search is then as slow as a first one is.
    const warmed = imported.then(() => warmSearch(db, closing.signal)).catch(() => {})
    closers.push(() => warmed)
    closers.push(async () => closing.abort())
    closers.push(async () => hub.close())
    return { app, db, jobs, hub, imported, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Brings every suite in the workspace's folder into the database; what is damaged is named on standard error and left out. */
async function importWorkspace(
  workspace: string,
  db: Database,
  onImported: () => void,
): Promise<void> {
  for (const name of (await listFolder(workspace)).folders) {
    if (name.startsWith('.')) continue
    const folder = join(workspace, name)
    try {
      if (!(await readSuiteFile(folder)) && (await listSuite(folder)).length === 0) continue
      for (const { message } of await importSuite(db, folder))
        console.error(`${name}: left out: ${message}`)
      onImported()
    } catch (error) {
      console.error(
        `${name}: not opened: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
}
