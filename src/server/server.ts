/** A workspace on a socket. */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { createAdaptorServer } from '@hono/node-server'
import { type AskSettings, askingFromEnvironment, type JobQueue } from '../jobs/index.ts'
import type { OpenModelOptions } from '../model/index.ts'
import { openBrowser } from './openBrowser.ts'
import { type OpenWorkspace, openWorkspace } from './openWorkspace.ts'
import { checkToken, isLoopback } from './security.ts'

export type ServerOptions = {
  /** Folder of suites; made where missing. */
  readonly workspace: string
  /** 0 takes a free one. */
  readonly port: number
  /** Default 127.0.0.1. Any other than loopback is guarded by a token. */
  readonly host?: string
  /** Asked for on every request, 16 characters or more; generated where the host is not loopback and none is given. */
  readonly token?: string
  /** Models that a request may name beside the suites' own and the bundled ones (default: any on loopback, none beyond). */
  readonly models?: readonly string[]
  /** The language model that tests labels (default: on loopback the provider whose key the environment holds, none beyond). */
  readonly judge?: AskSettings
  /** Open the page in the browser. */
  readonly open?: boolean
  /** A folder, `memory://` or a Postgres URL; `<workspace>/.hooke/db` by default. */
  readonly database?: string
  /** How the model behind the page is opened (default: two threads). */
  readonly model?: OpenModelOptions
  /** Folder of the built page; the package's own by default. */
  readonly page?: string
}

/** A server that listens. */
export type RunningServer = {
  /** With `?token=` where one is needed. */
  readonly url: string
  readonly jobs: JobQueue
  /** Resolves when the suites that lie in the workspace are in the database. */
  readonly imported: Promise<void>
  /** Stops the run under way at its checkpoint, ends the threads, closes the database. */
  close(): Promise<void>
}

/**
 * Serves a workspace: API, events and page. It listens before suites are imported, so that the page answers at once.
 * @throws Error if the port is taken or may not be used (says what to do), or the database is in use by another program;
 * RangeError as `checkToken`.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const workspace = resolve(options.workspace)
  const host = options.host ?? '127.0.0.1'
  const beyond = !isLoopback(host)
  const generated = beyond ? randomBytes(24).toString('base64url') : undefined
  const token = options.token === undefined ? generated : checkToken(options.token)

  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    // The port first: it is what is most often taken, and quickly told. Requests wait until there is an application.
    const app = Promise.withResolvers<OpenWorkspace['app']>()
    const server = createAdaptorServer({
      fetch: async (request, env) => (await app.promise).fetch(request, env),
    })
    const port = await listen(server, options.port, host)
    closers.push(() => stopListening(server))
    const judge = options.judge ?? (beyond ? undefined : askingFromEnvironment())
    const opened = await openWorkspace({
      workspace,
      ...(options.database === undefined ? {} : { database: options.database }),
      ...(options.model === undefined ? {} : { model: options.model }),
      ...(options.page === undefined ? {} : { page: options.page }),
      ...(token === undefined ? {} : { token }),
      any_host: beyond,
      models: options.models ?? (beyond ? [] : 'any'),
      ...(judge === undefined ? {} : { judge }),
    })
    closers.push(() => opened.close())
    app.resolve(opened.app)
    closers.push(() => {
      opened.hub.close()
      return stopListening(server)
    })
    const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
    const url = `http://${shown}:${port}/${token === undefined ? '' : `?token=${token}`}`
    if (options.open) await openBrowser(url)
    return { url, jobs: opened.jobs, imported: opened.imported, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Takes no more requests and ends those under way; nothing happens the second time. */
function stopListening(server: ReturnType<typeof createAdaptorServer>): Promise<void> {
  return new Promise((done) => {
    server.close(() => done())
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
}

/** @returns the port that was taken. */
function listen(
  server: ReturnType<typeof createAdaptorServer>,
  port: number,
  host: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, port, host)))
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })
}

function listenError(cause: NodeJS.ErrnoException, port: number, host: string): Error {
  const at = `${host}:${port}`
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `${at} is taken by another program, perhaps another Hooke. Stop that one, or take another port with --port ${port + 1} (0 takes a free one).`,
    EACCES: `${at}: this user may not listen on that port. Take one above 1023 with --port.`,
    EADDRNOTAVAIL: `${at}: this machine has no such address. Use --host 127.0.0.1.`,
    ENOTFOUND: `${at}: no such host. Use --host 127.0.0.1.`,
  }
  return new Error(reasons[cause.code ?? ''] ?? `${at}: ${cause.message}`, { cause })
}
