/** A server over a workspace with the suite `tiny`, and what tests ask of it. */
import type { z } from '@hono/zod-openapi'
import { expect } from 'vitest'
import {
  type Client,
  createClient,
  type OpenWorkspace,
  openWorkspace,
  Problem,
  type RunningServer,
  type ServerOptions,
  startServer,
} from '../src/server/index.ts'
import { type temporaryFolder, tinyWorkspace } from './tinySuite.ts'

/** The deeper of its two SAEs, of 64 latents. */
export const TINY_SAE = 'tiny~blocks.4.hook_resid_post~width_64~l0_8'
/** Where nothing else is said: any free port, a database that nobody else sees, one thread. */
export const TINY_OPTIONS = { port: 0, database: 'memory://', model: { threads: 1 } } as const

type Folder = Awaited<ReturnType<typeof temporaryFolder>>
type Asked = (path: string, init?: RequestInit) => Promise<Response>

/** A body as JSON, a text as it is. */
const posting =
  (ask: Asked) =>
  (path: string, body?: unknown): Promise<Response> =>
    ask(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })

/** A server on a port of its own; `close` takes its workspace away as well. */
export type TinyServer = {
  readonly folder: string
  readonly server: RunningServer
  readonly api: Client
  readonly get: Asked
  readonly post: ReturnType<typeof posting>
  readonly close: () => Promise<void>
}

/** Serves the suite; resolves when it is in the database. */
export async function serveTiny(options: Partial<ServerOptions> = {}): Promise<TinyServer> {
  const folder = await tinyWorkspace()
  const server = await startServer({ workspace: folder.path, ...TINY_OPTIONS, ...options })
  await server.imported
  const get: Asked = (path, init) => fetch(new URL(path, server.url), init)
  const close = () => closeBoth(server, folder)
  return {
    folder: folder.path,
    server,
    api: createClient(server.url),
    get,
    post: posting(get),
    close,
  }
}

/** The same without a socket. */
export async function openTiny(): Promise<Omit<TinyServer, 'server'> & { open: OpenWorkspace }> {
  const folder = await tinyWorkspace()
  const { port: _, ...options } = TINY_OPTIONS
  const open = await openWorkspace({ workspace: folder.path, ...options, any_host: true })
  await open.imported
  const get: Asked = async (path, init) => open.app.request(path, init)
  const api = createClient('http://hooke', { fetch: get })
  const close = () => closeBoth(open, folder)
  return { folder: folder.path, open, api, get, post: posting(get), close }
}

async function closeBoth(open: { close: () => Promise<void> }, folder: Folder): Promise<void> {
  await open.close()
  await folder.remove()
}

/** A successful answer, as its schema has it. */
export async function parsed<T extends z.ZodType>(
  schema: T,
  answer: Response,
): Promise<z.infer<T>> {
  const body = await answer.json()
  expect({ status: answer.status, body }).toMatchObject({ status: 200 })
  return schema.parse(body)
}

/** The words of a refusal with this status. */
export async function problem(answer: Response, status: number): Promise<string> {
  expect(answer.status).toBe(status)
  return Problem.parse(await answer.json()).error
}
