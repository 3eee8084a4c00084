/**
 * A server that speaks the Hub's protocol on 127.0.0.1, for tests: repository info, listings in pages, small files by a
 * relative redirect, large ones (LFS) by a redirect to a storage of another origin, ranges, etags, gates, commits. It does
 * wrong on request: statuses, cut connections, wrong bytes.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { RepoType } from '../src/hub/index.ts'

type Repository = {
  readonly type: RepoType
  /** `owner/name` */
  readonly name: string
  /** Files by commit. */
  readonly commits: Map<string, Map<string, Uint8Array>>
  /** Commits by branch and tag. */
  readonly refs: Map<string, string>
  /** Only with this token; `gated` tells it to whoever has not. */
  readonly token?: string
  readonly gated?: boolean
}

/** What an answer is spoiled by. */
type Fault = {
  /** `hub GET /path` or `storage PUT /path`: which requests. */
  readonly match: RegExp
  /** How many of them; one where absent. */
  times?: number
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** The connection is cut after so many bytes of the body. */
  readonly cut_bytes?: number
  /** The byte here, counted from the start of the file, arrives wrong. */
  readonly wrong_byte?: number
  /** Ranges are not understood: the whole file is sent. */
  readonly ignoresRange?: boolean
  /** Pieces of 1 kB, this long apart. */
  readonly slow_ms?: number
  /** Listings give every file this size. */
  readonly claimed_bytes?: number
}

type Seen = {
  readonly host: 'hub' | 'storage'
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

export type HubServer = {
  /** For HF_ENDPOINT. */
  readonly endpoint: string
  /** All requests so far, in order. */
  readonly seen: Seen[]
  readonly faults: Fault[]
  /** Adds a repository whose branch `main` holds these files. */
  add(
    name: string,
    files: Readonly<Record<string, string | Uint8Array>>,
    more?: Partial<Pick<Repository, 'type' | 'token' | 'gated'>>,
  ): Repository
  /** Makes a commit with other files and moves `main` there. */
  commit(repository: Repository, files: Readonly<Record<string, string | Uint8Array>>): string
  repository(name: string, type?: RepoType): Repository | undefined
  /** Paths asked for with a method, e.g. what was uploaded. */
  paths(host: Seen['host'], method: string): string[]
  close(): Promise<void>
}

/** From this size on files are large (LFS), whatever their name. */
const LFS_BYTES = 2_000
/** Entries of a listing's page. */
const PAGE = 3

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const gitSha1 = (bytes: Uint8Array) =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
const isLarge = (path: string, bytes: Uint8Array) =>
  bytes.length >= LFS_BYTES || /\.(safetensors|npz|parquet)$/.test(path)

export async function openHubServer(): Promise<HubServer> {
  const repositories: Repository[] = []
  const stored = new Map<string, Uint8Array>() // large files by sha256
  const seen: Seen[] = []
  const faults: Fault[] = []

  const hub = createServer((request, response) => void serve('hub', request, response))
  const storage = createServer((request, response) => void serve('storage', request, response))
  const [endpoint, store] = await Promise.all([listen(hub), listen(storage)])

  async function serve(host: Seen['host'], request: IncomingMessage, response: ServerResponse) {
    const { method = 'GET', headers } = request
    const url = new URL(request.url ?? '/', endpoint)
    const path = decodeURIComponent(url.pathname)
    seen.push({ host, method, path, headers })
    const fault = faults.find(
      ({ match, times = 1 }) => times > 0 && match.test(`${host} ${method} ${path}`),
    )
    if (fault !== undefined) fault.times = (fault.times ?? 1) - 1
    const body = await bodyOf(request)
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, fault.headers).end()
      return
    }
    const how: Answering = { request, response, fault }
    if (host === 'storage') return storageAnswer(how, path, method, body)
    return hubAnswer(how, url, path, body)
  }

  async function storageAnswer(how: Answering, path: string, method: string, body: Buffer) {
    // Storage knows signed addresses, and refuses two kinds of permission at once.
    if (how.request.headers.authorization !== undefined) return refuse(how.response, 400)
    const oid = path.slice(1)
    if (method === 'PUT') {
      if (sha256(body) !== oid) return refuse(how.response, 400)
      stored.set(oid, body)
      how.response.writeHead(200, { etag: `"${oid.slice(0, 8)}"` }).end()
      return
    }
    const bytes = stored.get(oid)
    if (bytes === undefined) return refuse(how.response, 404)
    await sendBytes(how, bytes, `"s3-${oid.slice(0, 12)}"`)
  }

  async function hubAnswer(how: Answering, url: URL, path: string, body: Buffer): Promise<void> {
    const { request, response } = how
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1]
    if (path === '/api/repos/create') {
      const { name, organization, type = 'model' } = JSON.parse(String(body))
      add(`${organization}/${name}`, {}, { type })
      return json(response, {
        url: `${endpoint}/${organization}/${name}`,
        id: `${organization}/${name}`,
      })
    }
    const [, resolved] = /^\/api\/resolve-cache(\/.*)$/.exec(path) ?? []
    const route =
      /^\/api\/(model|dataset)s\/([^/]+\/[^/]+?)\/(revision|tree|preupload|commit)\/(.*)$/.exec(
        path,
      ) ??
      /^\/()([^/]+\/[^/]+?)\.git\/info\/(lfs)\/(.*)$/.exec(path) ??
      /^\/(?:(dataset)s\/)?([^/]+\/[^/]+?)\/(resolve)\/(.*)$/.exec(resolved ?? path)
    const [, type = '', name = '', verb = '', rest = ''] = route ?? []
    const found = repository(name, type === 'dataset' ? 'dataset' : 'model')
    if (found === undefined)
      return refuse(
        response,
        token === undefined ? 401 : 404,
        'RepoNotFound',
        'Repository not found',
      )
    if (found.token !== undefined && token !== found.token) {
      if (found.gated !== true) return refuse(response, 401, 'RepoNotFound', 'Repository not found')
      if (verb === 'resolve' || token !== undefined)
        return refuse(
          response,
          token === undefined ? 401 : 403,
          'GatedRepo',
          `Access to model ${name} is restricted and you are not in the authorized list.`,
        )
    }
    if (verb === 'preupload') {
      const { files } = JSON.parse(String(body)) as { files: { path: string; size: number }[] }
      return json(response, {
        files: files.map(({ path, size }) => ({
          path,
          uploadMode: isLarge(path, new Uint8Array(size)) ? 'lfs' : 'regular',
          shouldIgnore: false,
        })),
      })
    }
    if (verb === 'lfs') {
      const { objects } = JSON.parse(String(body)) as { objects: { oid: string; size: number }[] }
      return json(response, {
        transfer: 'basic',
        objects: objects.map(({ oid, size }) => ({
          oid,
          size,
          ...(stored.has(oid) ? {} : { actions: { upload: { href: `${store}/${oid}` } } }),
        })),
      })
    }
    if (verb === 'commit') return json(response, takeCommit(found, String(body)))

    const [revision = '', inner = ''] = splitRevision(found, rest)
    const commit = found.commits.has(revision) ? revision : found.refs.get(revision)
    const files = commit === undefined ? undefined : found.commits.get(commit)
    if (commit === undefined || files === undefined)
      return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`)
    if (verb === 'revision')
      return json(response, {
        _id: '1', id: name, sha: commit, private: false, gated: false, likes: 0, downloads: 0,
        lastModified: '2025-01-01T00:00:00.000Z',
      }) // biome-ignore format: one list
    if (verb === 'tree') return sendTree(how, url, files, inner)

    const bytes = files.get(inner)
    if (bytes === undefined) return refuse(response, 404, 'EntryNotFound', 'Entry not found')
    const large = isLarge(inner, bytes)
    const facts = { 'x-repo-commit': commit, etag: `"${gitSha1(bytes)}"` }
    if (large) {
      response.writeHead(302, {
        ...facts,
        location: `${store}/${sha256(bytes)}`,
        'x-linked-etag': `"${sha256(bytes)}"`,
        'x-linked-size': String(bytes.length),
      })
      response.end()
    } else if (resolved === undefined) {
      response.writeHead(307, { ...facts, location: `/api/resolve-cache${url.pathname}` }).end()
    } else {
      await sendBytes(how, bytes, facts.etag, facts)
    }
  }

  function takeCommit(found: Repository, text: string) {
    const files = new Map(found.commits.get(found.refs.get('main') ?? ''))
    for (const line of text.split('\n').filter(Boolean)) {
      const { key, value } = JSON.parse(line)
      if (key === 'file') files.set(value.path, Buffer.from(value.content, value.encoding))
      if (key === 'lfsFile') files.set(value.path, stored.get(value.oid)!)
    }
    const commitOid = commit(found, Object.fromEntries(files))
    return {
      success: true,
      commitOid,
      commitUrl: `${endpoint}/${found.name}/commit/${commitOid}`,
      hookOutput: '',
    }
  }

  function sendTree(
    { response, fault }: Answering,
    url: URL,
    files: ReadonlyMap<string, Uint8Array>,
    under: string,
  ) {
    const inside = [...files].filter(([path]) => under === '' || path.startsWith(`${under}/`))
    if (under !== '' && inside.length === 0)
      return refuse(response, 404, 'EntryNotFound', `${under} does not exist`)
    const at = Number(url.searchParams.get('cursor') ?? 0)
    const entries = inside.slice(at, at + PAGE).map(([path, bytes]) => ({
      type: 'file',
      path,
      size: fault?.claimed_bytes ?? bytes.length,
      oid: gitSha1(bytes),
      ...(isLarge(path, bytes)
        ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } }
        : {}),
    }))
    const next = new URL(url)
    next.searchParams.set('cursor', String(at + PAGE))
    json(response, entries, at + PAGE < inside.length ? { link: `<${next}>; rel="next"` } : {})
  }

  const repository = (name: string, type: RepoType = 'model') =>
    repositories.find((one) => one.name === name && one.type === type)

  function add(...[name, files, more = {}]: Parameters<HubServer['add']>): Repository {
    const made: Repository = { type: 'model', name, commits: new Map(), refs: new Map(), ...more }
    repositories.push(made)
    commit(made, files)
    return made
  }

  function commit(...[to, files]: Parameters<HubServer['commit']>): string {
    const content = new Map(
      Object.entries(files).map(([path, bytes]) => [
        path,
        typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes,
      ]),
    )
    for (const [path, bytes] of content) if (isLarge(path, bytes)) stored.set(sha256(bytes), bytes)
    const id = createHash('sha1').update(`${to.name} ${to.commits.size}`).digest('hex')
    to.commits.set(id, content)
    to.refs.set('main', id)
    return id
  }

  return {
    endpoint,
    seen,
    faults,
    add,
    commit,
    repository,
    paths: (host, method) =>
      seen.filter((one) => one.host === host && one.method === method).map(({ path }) => path),
    async close() {
      for (const server of [hub, storage]) {
        server.closeAllConnections()
        await new Promise((done) => server.close(done))
      }
    },
  }
}

type Answering = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly fault: Fault | undefined
}

async function sendBytes(
  { request, response, fault }: Answering,
  whole: Uint8Array,
  etag: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { range, 'if-range': ifRange } = request.headers
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
  const isRanged =
    first !== undefined &&
    fault?.ignoresRange !== true &&
    (ifRange === undefined || ifRange === etag)
  const start = isRanged ? Number(first) : 0
  const end = isRanged && last ? Math.min(Number(last) + 1, whole.length) : whole.length
  if (start >= whole.length && isRanged) {
    response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end()
    return
  }
  const bytes = Uint8Array.from(whole.subarray(start, end))
  if (fault?.wrong_byte !== undefined && fault.wrong_byte >= start && fault.wrong_byte < end)
    bytes[fault.wrong_byte - start]! ^= 1
  response.writeHead(isRanged ? 206 : 200, {
    ...headers,
    etag,
    'content-length': String(bytes.length),
    'accept-ranges': 'bytes',
    ...(isRanged ? { 'content-range': `bytes ${start}-${end - 1}/${whole.length}` } : {}),
  })
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  const upTo = fault?.cut_bytes ?? bytes.length
  const step = fault?.slow_ms === undefined ? bytes.length || 1 : 1024
  for (let at = 0; at < upTo; at += step) {
    if (response.destroyed) return
    await new Promise((sent) => response.write(bytes.subarray(at, Math.min(at + step, upTo)), sent))
    if (fault?.slow_ms !== undefined) await setTimeout(fault.slow_ms)
  }
  if (fault?.cut_bytes === undefined) response.end()
  else response.destroy()
}

/** `main/a/b` and `refs/pr/1/a` into revision and path; the revision is the longest that is known. */
function splitRevision({ refs, commits }: Repository, rest: string): [string, string] {
  const known = [...refs.keys(), ...commits.keys()]
    .filter((revision) => rest === revision || rest.startsWith(`${revision}/`))
    .sort((a, b) => b.length - a.length)[0]
  const revision = known ?? rest.split('/')[0]!
  return [revision, rest.slice(revision.length + 1)]
}

function refuse(response: ServerResponse, status: number, code?: string, message?: string): void {
  response.writeHead(status, {
    ...(code === undefined ? {} : { 'x-error-code': code }),
    ...(message === undefined ? {} : { 'x-error-message': message }),
  })
  response.end()
}

function json(
  response: ServerResponse,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(value))
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
