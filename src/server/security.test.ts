import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { TINY_SAE as SAE, TINY_OPTIONS } from '../../test/tinyServer.ts'
import { type temporaryFolder, tinyWorkspace } from '../../test/tinySuite.ts'
import { createClient, Problem } from '../api/index.ts'
import { answerError } from './problems.ts'
import { limitWork } from './security.ts'
import { type RunningServer, startServer } from './server.ts'

const TOKEN = 'tok-7f3a-this-stays-between-us'
const API_KEY = 'sk-live-9c1b-this-too'
const KEYS = [
  'OPENAI_API_KEY',
  'ANTHROPIC_API_KEY',
  'GOOGLE_GENERATIVE_AI_API_KEY',
  'HOOKE_EMBED_API_KEY',
  'HF_TOKEN',
]

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let server: RunningServer
let guarded: RunningServer
/** Everything the process said while the tests ran. */
const said: string[] = []

beforeAll(async () => {
  folder = await tinyWorkspace()
  for (const name of KEYS) vi.stubEnv(name, API_KEY)
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, method).mockImplementation(
      (...args) => void said.push(args.map((arg) => inspect(arg, { depth: 9 })).join(' ')),
    )
  const page = join(folder.path, '.page')
  await mkdir(join(page, 'assets'), { recursive: true })
  await writeFile(join(page, 'index.html'), '<!doctype html><title>page</title>')
  await writeFile(join(folder.path, 'secret.json'), '{"secret": 1}')
  const options = { ...TINY_OPTIONS, page }
  server = await startServer({ workspace: folder.path, ...options })
  guarded = await startServer({
    workspace: folder.path,
    ...options,
    host: '0.0.0.0',
    token: TOKEN,
  })
  await Promise.all([server.imported, guarded.imported])
})
afterAll(async () => {
  await server?.close()
  await guarded?.close()
  await folder?.remove()
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

type Answer = { status: number; headers: IncomingHttpHeaders; text: string }
type Asked = { method?: string; headers?: Record<string, string>; body?: string; chunked?: boolean }

/** A request as it is written, dots in its path and all, which fetch would tidy. */
function raw(path: string, asked: Asked = {}, at = server): Promise<Answer> {
  const { port } = new URL(at.url)
  const { method = 'GET', headers = {}, body, chunked } = asked
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (bytes: Buffer) => parts.push(bytes))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(parts).toString(),
        }),
      )
    })
    sent.on('error', reject)
    if (body !== undefined && !chunked) sent.setHeader('content-length', Buffer.byteLength(body))
    sent.end(body)
  })
}
const post = (path: string, body: unknown, at = server): Promise<Answer> =>
  raw(
    path,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    },
    at,
  )
/** The beginning of what comes back for bytes on a socket. */
function written(bytes: string): Promise<string> {
  const { port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes))
    socket.once('error', reject).once('data', (data) => {
      resolve(data.toString())
      socket.destroy()
    })
  })
}
const problemOf = ({ text }: Answer): string => Problem.parse(JSON.parse(text)).error

/** Every GET route that answers once, with values of the tiny suite. */
async function addresses(): Promise<string[]> {
  const { text } = await raw('/api/openapi.json')
  const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, object>> }
  const values: Record<string, string> = { sae: SAE, index: '5', suite: 'tiny', file: 'layers.svg' }
  const known = Object.keys(paths).filter((path) => 'get' in paths[path]! && path !== '/api/events')
  return known.map(
    (path) =>
      path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent(values[name] ?? 'none'),
      ) + (path === '/api/search' ? '?q=the' : ''),
  )
}

describe('every answer', () => {
  it('carries a policy without inline, eval or foreign anything, and is never sniffed, framed or shared', async () => {
    for (const path of [
      '/',
      '/latent/x/3',
      '/api/nothing',
      '/nothing.js',
      ...(await addresses()),
    ]) {
      const { headers, text } = await raw(path)
      const policy = headers['content-security-policy'] as string
      expect(policy, path).toContain("default-src 'none'")
      if (!path.endsWith('.svg')) {
        expect(policy, path).toContain("script-src 'self'")
        expect(policy, path).toContain("require-trusted-types-for 'script'")
        expect(policy, path).not.toMatch(/unsafe|\*|https?:/)
      }
      expect(headers['x-content-type-options'], path).toBe('nosniff')
      expect(headers['cross-origin-resource-policy'], path).toBe('same-origin')
      expect(headers['access-control-allow-origin'], path).toBeUndefined()
      if (path.startsWith('/api/')) {
        expect(headers['content-type'], path).toMatch(
          /^(application\/json|image\/svg\+xml|text\/plain)/,
        )
        expect(headers['cache-control'], path).toBe('no-store')
        expect(text.length, path).toBeGreaterThan(0)
      }
    }
  })

  it('keeps hostile labels as JSON text, in every route that shows them', async () => {
    const hostile = `<img src=x onerror="harm()"></script><script>harm()</script>\u202e\u0000[a](javascript:harm())`
    const kept = await post(`/api/saes/${SAE}/latents/5/labels`, {
      text: hostile,
      author: hostile.slice(0, 90),
    })
    expect(kept.status).toBe(200)
    const view = await raw(`/api/saes/${encodeURIComponent(SAE)}/latents/5`)
    expect(view.headers['content-type']).toMatch(/^application\/json/)
    const { label } = JSON.parse(view.text) as { label: string }
    // The database holds no NUL: its picture stands for it.
    expect(label).toBe(hostile.replace('\u0000', '\u2400'))
    const long = await post(`/api/saes/${SAE}/latents/5/labels`, { text: 'a'.repeat(501) })
    expect(long.status).toBe(400)
  })
})

describe('who may ask', () => {
  it('is asked by its own names only', async () => {
    const { port } = new URL(server.url)
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      '0x7f.1',
      'localhost.evil.example',
      `[::2]:${port}`,
    ])
      expect((await raw('/api/workspace', { headers: { host } })).status, host).toBe(403)
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`])
      expect((await raw('/api/workspace', { headers: { host } })).status, host).toBe(200)
  })

  it('answers no page but its own, and no preflight', async () => {
    const { host } = new URL(server.url)
    for (const origin of [
      'https://evil.example',
      'null',
      'http://127.0.0.1:1',
      `https://${host}.evil.example`,
      'file://',
    ]) {
      const answer = await raw('/api/workspace', { headers: { host, origin } })
      expect(answer.status, origin).toBe(403)
      expect(answer.headers['access-control-allow-origin'], origin).toBeUndefined()
    }
    expect(
      (await raw('/api/workspace', { headers: { host, origin: `http://${host}` } })).status,
    ).toBe(200)
    for (const site of ['cross-site', 'same-site'])
      expect((await raw('/api/events', { headers: { host, 'sec-fetch-site': site } })).status).toBe(
        403,
      )
    const preflight = await raw('/api/microscope', {
      method: 'OPTIONS',
      headers: { host, 'access-control-request-method': 'POST' },
    })
    expect(preflight.headers).not.toHaveProperty('access-control-allow-methods')
  })

  it('does nothing for a form or a beacon of another page, nor for a socket', async () => {
    const { host } = new URL(server.url)
    const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']
    for (const type of types) {
      const body = JSON.stringify({ text: 'forged', author: 'x' })
      const path = `/api/saes/${SAE}/latents/9/labels`
      const headers = { host, 'content-type': type }
      for (const from of [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { 'sec-fetch-site': 'cross-site' },
      ]) {
        const asked = { method: 'POST', headers: { ...headers, ...from }, body }
        expect((await raw(path, asked)).status, type).toBe(403)
      }
      // Not even without a word of where it comes from: only JSON is read.
      expect((await raw(path, { method: 'POST', headers, body })).status, type).toBe(415)
    }
    const { text } = await raw(`/api/saes/${encodeURIComponent(SAE)}/latents/9`)
    expect(text).not.toContain('forged')
    for (const path of ['/api/runs/none/stop', '/api/labels/1/undo']) {
      const headers = { host, origin: 'https://evil.example' }
      expect((await raw(path, { method: 'POST', headers })).status, path).toBe(403)
    }
    const upgrade = `GET /api/events HTTP/1.1\r\nHost: ${host}\r\nOrigin: https://evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
    expect(await written(upgrade)).toMatch(/^HTTP\/1\.1 403/)
    expect(await written('GET /api/workspace HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/)
    const elsewhere = `GET http://evil.example/api/workspace HTTP/1.1\r\nHost: evil.example\r\n\r\n`
    expect(await written(elsewhere)).toMatch(/^HTTP\/1\.1 403/)
  })

  it('takes no token that is easily guessed or would not arrive', async () => {
    for (const token of ['', 'short', 'with spaces in the middle', 'sixteen&more=characters'])
      await expect(
        startServer({ workspace: folder.path, ...TINY_OPTIONS, token }).then((it) => it.close()),
        token,
      ).rejects.toThrow(`the token has ${token.length} characters, expected 16 or more`)
  })

  it('asks for the token on every path beyond loopback, and never says it', async () => {
    const answers: Answer[] = []
    for (const path of ['/', '/icon.svg', '/api/openapi.json', ...(await addresses())]) {
      const answer = await raw(path, {}, guarded)
      expect(answer.status, path).toBe(401)
      answers.push(answer)
      const wrong = { authorization: `Bearer ${TOKEN}x` }
      expect((await raw(path, { headers: wrong }, guarded)).status, path).toBe(401)
      answers.push(await raw(path, { headers: { authorization: `Bearer ${TOKEN}` } }, guarded))
    }
    const entry = await raw(`/suite?token=${TOKEN}&suite=tiny`, {}, guarded)
    expect(entry).toMatchObject({ status: 303, headers: { location: '/suite?suite=tiny' } })
    const { 'set-cookie': _, ...others } = entry.headers
    answers.push({ ...entry, headers: others })
    await post('/api/microscope', '{broken', guarded)
    for (const { text, headers } of answers) {
      expect(text + JSON.stringify(headers)).not.toContain(TOKEN)
      expect(text + JSON.stringify(headers)).not.toContain(API_KEY)
    }
  })

  it('beyond loopback opens no model but the bundled, those of suites, and what its owner allows', async () => {
    const ask = (model: string) =>
      raw(
        '/api/compare/models',
        {
          method: 'POST',
          headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model, text: 'Sea.', n_tokens: 1, splice_tokens: 0 }),
        },
        guarded,
      )
    for (const model of ['/etc', folder.path, './thimble-5m', 'owner/name']) {
      const { status, text } = await ask(model)
      expect(status).toBe(403)
      expect(text).toContain('only thimble-5m. Whoever runs it')
    }
    const allowed = await ask('thimble-5m')
    expect(allowed.status).toBe(200)
    expect(allowed.text).toContain('"type":"done"')
  })

  it('says neither the token nor an API key in what it logs, nor writes them into the workspace', async () => {
    const client = createClient(guarded.url.replace('0.0.0.0', '127.0.0.1'))
    await client.microscope({ text: 'The ship' })
    await expect(client.microscope({ text: TOKEN, suite: 'none' })).rejects.toThrow('tiny')
    await post('/api/nothing', {})
    expect(said.join('\n')).not.toContain(TOKEN)
    expect(said.join('\n')).not.toContain(API_KEY)
    for (const name of await readdir(folder.path, { recursive: true })) {
      if (!/\.(jsonl?|md|svg)$/.test(name)) continue
      const content = await readFile(join(folder.path, name), 'utf8')
      expect(content, name).not.toContain(API_KEY)
      expect(content, name).not.toContain(TOKEN)
    }
  })

  it('names a key in place of showing it, where what failed repeats it', async () => {
    const app = new Hono()
      .onError(answerError)
      .get('/', () => Promise.reject(new Error(`no such key: ${API_KEY}`, { cause: { API_KEY } })))
    const from = said.length
    const answer = await app.request('/')
    expect(await answer.text()).toMatch(/no such key: \[\w+_(KEY|TOKEN)\]/)
    expect(said.slice(from).join('\n')).toContain('no such key')
    expect(said.slice(from).join('\n')).not.toContain(API_KEY)
  })
})

describe('limits', () => {
  it('of a body, told by its length or not', async () => {
    const body = JSON.stringify({ text: 'a'.repeat(300_000) })
    const headers = { 'content-type': 'application/json' }
    const told = await raw('/api/microscope', { method: 'POST', headers, body })
    expect(told.status).toBe(413)
    expect(problemOf(told)).toContain('256 KiB')
    const untold = await raw('/api/microscope', {
      method: 'POST',
      headers,
      body,
      chunked: true,
    }).catch(
      // The connection may close before all is written.
      (error: NodeJS.ErrnoException) => ({ status: error.code }),
    )
    expect([413, 'ECONNRESET', 'EPIPE']).toContain(untold.status)
  })

  it('of what a request asks for', async () => {
    const interventions = [{ sae: SAE, latent: 1, mode: 'ablate' }]
    const steer = { prompt: 'a', interventions }
    const wrong: [string, unknown, RegExp][] = [
      ['/api/microscope', { text: 'a'.repeat(20_001) }, /text/],
      ['/api/microscope', { text: 'a', top_k: 1e9 }, /top_k/],
      [
        '/api/steer',
        { ...steer, interventions: Array(17).fill(interventions[0]) },
        /interventions/,
      ],
      ['/api/steer', { ...steer, max_tokens: 1e9 }, /max_tokens/],
      ['/api/steer', { ...steer, prompt: 'a'.repeat(20_001) }, /prompt/],
      [`/api/saes/${SAE}/latents/1/labels`, { text: 'x', author: 'a'.repeat(101) }, /author/],
      ['/api/microscope', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, /./],
      ['/api/microscope', '{"__proto__": {"text": "a"}}', /text/],
    ]
    for (const [path, body, says] of wrong) {
      const answer = await post(path, body)
      expect(answer.status, `${path} ${says}`).toBe(400)
      expect(problemOf(answer)).toMatch(says)
    }
    expect((await raw(`/api/saes/${SAE}/latents?limit=100000`)).status).toBe(400)
    expect((await raw(`/api/search?q=${'a'.repeat(1001)}`)).status).toBe(400)
  })

  it('of work under way: who comes then is told to try again, and is answered once there is room', async () => {
    const stop = new AbortController()
    const interventions = [{ sae: SAE, latent: 1, mode: 'ablate' }]
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'The', max_tokens: 2048, interventions }),
      signal: stop.signal,
    }
    const texts = Array.from({ length: 32 }, () => fetch(new URL('/api/steer', server.url), init))
    expect((await Promise.all(texts)).every(({ status }) => status === 200)).toBe(true)
    const refused = await post('/api/microscope', { text: 'The ship' })
    expect(refused.status).toBe(503)
    expect(problemOf(refused)).toMatch(/32 requests are waiting for the model; try again/)
    stop.abort()
    const again = async () => (await post('/api/microscope', { text: 'The ship' })).status
    await expect.poll(again, { timeout: 20_000 }).toBe(200)
  })

  it('of requests that are worked on: one too many is told so, and taken when another is done', async () => {
    const gate = Promise.withResolvers<void>()
    const app = new Hono().onError(answerError).use(limitWork(2))
    app.get('/', async (c) => {
      await gate.promise
      return c.text('done')
    })
    const waiting = [app.request('/'), app.request('/')]
    const refused = await app.request('/')
    expect(refused.status).toBe(503)
    expect(await refused.text()).toContain('2 requests are worked on; try again')
    gate.resolve()
    for (const answer of waiting) expect((await answer).status).toBe(200)
    expect((await app.request('/')).status).toBe(200)
  })

  it('of open event streams', async () => {
    const stops = Array.from({ length: 64 }, () => new AbortController())
    const streams = await Promise.all(
      stops.map(({ signal }) => fetch(new URL('/api/events', server.url), { signal })),
    )
    expect(streams.every(({ status }) => status === 200)).toBe(true)
    const refused = await raw('/api/events')
    expect(refused.status).toBe(503)
    expect(problemOf(refused)).toContain('64 event streams')
    for (const stop of stops) stop.abort()
    const again = async () => {
      const stop = new AbortController()
      const { status } = await fetch(new URL('/api/events', server.url), { signal: stop.signal })
      stop.abort()
      return status
    }
    await expect.poll(again).toBe(200)
  })
})

describe('paths', () => {
  it('lead to nothing outside the page and the suites', async () => {
    const outside = [
      '/../secret.json',
      '/assets/../../secret.json',
      '/..%2fsecret.json',
      '/%2e%2e/secret.json',
      '/assets/%2e%2e%2f%2e%2e%2fsecret.json',
      '/..%5csecret.json',
      '/%00secret.json',
      '//secret.json',
      `/${folder.path}/secret.json`,
      '/api/suites/..',
      '/api/suites/%2e%2e%2ftiny',
      '/api/suites/.hooke',
      '/api/suites/tiny%00',
      '/api/suites/tiny/plots/..%2f..%2fsecret.json',
      '/api/suites/tiny/plots/%2e%2e%2fsuite.json',
      `/api/saes/..~..~width_..~l0_../latents/0`,
      `/api/saes/${encodeURIComponent('../tiny~blocks.4.hook_resid_post~width_64~l0_8')}/latents/0`,
    ]
    for (const path of outside) {
      const { status, text } = await raw(path)
      expect(text, path).not.toContain('secret": 1')
      expect(text, path).not.toContain('data_hash')
      // What is no file of a known kind is an address that the page itself routes.
      if (status === 200) expect(text, path).toContain('<title>page</title>')
      else expect([400, 404], path).toContain(status)
    }
  })
})
