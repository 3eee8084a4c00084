import { cp, readFile, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { z } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  TINY_OPTIONS as OPTIONS,
  parsed,
  problem,
  TINY_SAE as SAE,
  serveTiny,
  type TinyServer,
} from '../../test/tinyServer.ts'
import { tinyConfig } from '../../test/tinySuite.ts'
import {
  Label,
  LatentList,
  LatentView,
  Microscope,
  Run,
  RunPoint,
  SuiteOrigin,
  TestResult,
  Workspace,
} from '../api/index.ts'
import { type RunningServer, startServer } from './server.ts'

const TEXT = 'The ship came home through the fog.'
let tiny: TinyServer
let folder: string
let server: RunningServer
let get: TinyServer['get']
let post: TinyServer['post']
beforeAll(async () => {
  tiny = await serveTiny()
  ;({ folder, server, get, post } = tiny)
})
afterAll(() => tiny.close())

describe('GET /api/workspace', () => {
  it('shows suites, their SAEs and a sample text', async () => {
    const workspace = await parsed(Workspace, await get('/api/workspace'))
    expect(workspace.suites.map(({ name }) => name)).toEqual(['tiny'])
    const sae = workspace.suites[0]!.saes.find(({ id }) => id === SAE)!
    expect(sae).toMatchObject({ hook: 'blocks.4.hook_resid_post', layer: 4, state: 'labelled' })
    expect(sae.metrics!.n_tokens).toBe(150)
    expect(sae.n_labelled).toBeGreaterThan(0)
    expect(workspace.sample_text).not.toBe('')
  })

  it('names the model once its thread has opened it', async () => {
    let workspace = await parsed(Workspace, await get('/api/workspace'))
    while (!workspace.model) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      workspace = await parsed(Workspace, await get('/api/workspace'))
    }
    expect(workspace.model).toEqual({
      name: 'thimble-5m',
      n_layers: 6,
      d_model: 256,
      d_vocab: 4096,
      n_ctx: 256,
      n_params: 4_593_920,
    })
  })
})

describe('POST /api/microscope', () => {
  it('shows what each site makes of each token', async () => {
    const view = await parsed(Microscope, await post('/api/microscope', { text: TEXT }))
    const n = view.tokens.length
    expect(view.tokens[0]!.special).toBe(true)
    expect(
      view.tokens
        .slice(1)
        .map(({ piece }) => piece)
        .join('')
        .trim(),
    ).toBe(TEXT)
    expect(view.rows.map(({ layer }) => layer)).toEqual([1, 4])
    for (const row of view.rows) {
      expect(row.cells).toHaveLength(n)
      expect(row.l0).toHaveLength(n)
      expect(row.fvu).toHaveLength(n)
      expect(row.cells[0]).toEqual([])
    }
    expect(view.token_loss[0]).toBeNull()
    expect(view.token_loss.slice(1).every((loss) => loss! > 0)).toBe(true)
    for (const top of view.predictions) {
      expect(top).toHaveLength(5)
      expect(top.map(({ p }) => p)).toEqual(top.map(({ p }) => p).toSorted((a, b) => b - a))
    }
  })

  it('leaves out latents that fire too often and says how many', async () => {
    const view = await parsed(
      Microscope,
      await post('/api/microscope', { text: TEXT, max_density: 0.2, top_k: 32 }),
    )
    expect(view.latents.every(({ density }) => density! <= 0.2)).toBe(true)
    expect(view.left_out).toContainEqual(expect.stringMatching(/\d+ latents? denser than 20 %/))
    expect(view.left_out).toContainEqual('1 special token: shown, not read')
  })

  it('names every latent of its cells once, with its label', async () => {
    const view = await parsed(
      Microscope,
      await post('/api/microscope', { text: TEXT, max_density: 1 }),
    )
    const shown = view.rows.flatMap(({ sae, cells }) =>
      cells.flat().map(({ index }) => `${sae} ${index}`),
    )
    const named = view.latents.map(({ sae, index }) => `${sae} ${index}`)
    expect(new Set(named)).toEqual(new Set(shown))
    expect(named).toHaveLength(new Set(named).size)
    expect(view.latents.some(({ label }) => label !== undefined)).toBe(true)
  })

  it('cuts a text at the model’s context and says so', async () => {
    const view = await parsed(
      Microscope,
      await post('/api/microscope', { text: 'sea '.repeat(1000) }),
    )
    expect(view.tokens).toHaveLength(256)
    expect(view.left_out.join()).toMatch(/past the first 256/)
  })

  it('reads hostile text as text', async () => {
    const text = '<bos><script>alert(1)</script>\u0000\u202e\uFFFD 👩‍👩‍👧 \n"\\'
    const view = await parsed(Microscope, await post('/api/microscope', { text }))
    expect(view.tokens.filter(({ special }) => special)).toHaveLength(1)
  })

  it('refuses empty and overlong texts, and bodies that are not what it expects', async () => {
    expect(await problem(await post('/api/microscope', { text: '' }), 400)).toContain('text')
    await problem(await post('/api/microscope', { text: 'a'.repeat(20_001) }), 400)
    await problem(await post('/api/microscope', '{not json'), 400)
    await problem(await post('/api/microscope', { text: TEXT, top_k: 0 }), 400)
    await problem(await post('/api/microscope', { text: 'a'.repeat(300_000) }), 413)
    expect(
      await problem(await post('/api/microscope', { text: TEXT, suite: 'none' }), 404),
    ).toContain('tiny')
  })
})

describe('latents', () => {
  it('lists them by what is asked', async () => {
    const list = await parsed(
      LatentList,
      await get(`/api/saes/${SAE}/latents?sort=density&order=desc&limit=7&offset=2`),
    )
    expect(list.n_total).toBe(64)
    expect(list.latents).toHaveLength(7)
    const densities = list.latents.map(({ density }) => density!)
    expect(densities).toEqual(densities.toSorted((a, b) => b - a))
  })

  it('shows all that was measured about one', async () => {
    const list = await parsed(
      LatentList,
      await get(`/api/saes/${SAE}/latents?sort=max_act&order=desc&limit=1`),
    )
    const { index } = list.latents[0]!
    const view = await parsed(LatentView, await get(`/api/saes/${SAE}/latents/${index}`))
    expect(view).toMatchObject({ sae: SAE, index, d_sae: 64, layer: 4 })
    const example = view.examples[0]!
    expect(example.values[example.peak]).toBeCloseTo(view.max_act!, 4)
    expect(example.pieces).toHaveLength(example.values.length)
    expect(view.top_logits[0]!.effect).toBeGreaterThan(view.bottom_logits[0]!.effect)
    expect(view.neighbours.length).toBeGreaterThan(0)
    expect(view.labels[0]).toMatchObject({ method: 'lexical' })
    const path = join('tiny', 'blocks.4.hook_resid_post', 'width_64', 'l0_8')
    expect(view.snippets.python).toContain(path)
  })

  it('runs one over a text', async () => {
    const { tokens, values } = await parsed(
      TestResult,
      await post(`/api/saes/${SAE}/latents/5/test`, { text: TEXT }),
    )
    expect(values).toHaveLength(tokens.length)
    expect(values[0]).toBe(0)
    const micro = await parsed(
      Microscope,
      await post('/api/microscope', { text: TEXT, max_density: 1, top_k: 32 }),
    )
    const cells = micro.rows.find(({ sae }) => sae === SAE)!.cells
    expect(cells.map((cell) => cell.find(({ index }) => index === 5)?.act ?? 0)).toEqual(values)
  })

  it('answers 404 for what is not there and 400 for what cannot be', async () => {
    await problem(await get('/api/saes/a~b~width_1~l0_1/latents/0'), 404)
    await problem(await get(`/api/saes/${SAE}/latents/64`), 404)
    await problem(await get(`/api/saes/${SAE}/latents/-1`), 400)
    await problem(await get('/api/saes/..~..~width_x~l0_y/latents'), 404)
    await problem(await get('/api/saes/nonsense/latents/0'), 400)
    await problem(await get('/api/saes/a%00~b~width_1~l0_1/latents'), 400)
    await problem(await get(`/api/saes/${SAE}/latents?sort=beauty`), 400)
    await problem(await post(`/api/saes/${SAE}/latents/64/test`, { text: TEXT }), 400)
  })
})

describe('labels', () => {
  it('keeps one by hand before the automatic one, and its history when withdrawn', async () => {
    const path = `/api/saes/${SAE}/latents/9`
    const label = await parsed(Label, await post(`${path}/labels`, { text: ' sea words ' }))
    expect(label).toMatchObject({ text: 'sea words', method: 'manual', author: 'me' })
    let view = await parsed(LatentView, await get(path))
    expect(view).toMatchObject({ label: 'sea words', label_method: 'manual' })

    await parsed(Label, await get(`/api/labels/${label.id}`, { method: 'DELETE' }))
    view = await parsed(LatentView, await get(path))
    expect(view.label).not.toBe('sea words')
    expect(view.labels.find(({ id }) => id === label.id)?.retired_at).toBeDefined()
  })

  it('keeps hostile text as text', async () => {
    const text = `'; drop table hooke.labels; -- <img src=x onerror=alert(1)> \u202e`
    const label = await parsed(Label, await post(`/api/saes/${SAE}/latents/10/labels`, { text }))
    expect(label.text).toBe(text.trim())
  })

  it('refuses empty ones, and latents and labels that are not there', async () => {
    await problem(await post(`/api/saes/${SAE}/latents/9/labels`, { text: '   ' }), 400)
    await problem(await post(`/api/saes/${SAE}/latents/64/labels`, { text: 'x' }), 404)
    await problem(await get('/api/labels/999999', { method: 'DELETE' }), 404)
    await problem(await get('/api/labels/99999999999', { method: 'DELETE' }), 400)
  })
})

describe('a restart', () => {
  it('keeps labels by hand, and opens what lies in the workspace', async () => {
    const path = `/api/saes/${SAE}/latents/21`
    const open = async () => {
      const restarted = await startServer({
        workspace: folder,
        port: 0,
        model: { threads: 1 },
      })
      await restarted.imported
      return restarted
    }
    const before = await open()
    const added = await fetch(new URL(`${path}/labels`, before.url), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ text: 'harbour lights' }),
    })
    expect(added.status).toBe(200)
    await before.close()

    const after = await open()
    const view = await parsed(LatentView, await fetch(new URL(path, after.url)))
    await after.close()
    expect(view).toMatchObject({ label: 'harbour lights', label_method: 'manual' })
    expect(view.labels.some(({ method }) => method === 'lexical')).toBe(true)
  })
})

describe('a damaged file', () => {
  it('costs its own row of the microscope, which names it, and nothing else', async () => {
    const workspace = join(folder, 'damaged')
    await cp(join(folder, 'tiny'), join(workspace, 'tiny'), { recursive: true })
    const weights = join(
      workspace,
      'tiny/blocks.1.hook_resid_post/width_64/l0_8/sae_weights.safetensors',
    )
    await writeFile(weights, (await readFile(weights)).subarray(0, 5000))
    const damaged = await startServer({ workspace, ...OPTIONS })
    try {
      await damaged.imported
      const answer = await fetch(new URL('/api/microscope', damaged.url), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text: TEXT }),
      })
      const { rows, left_out } = await parsed(Microscope, answer)
      expect(rows.map(({ hook }) => hook)).toEqual(['blocks.4.hook_resid_post'])
      expect(left_out.join()).toMatch(/blocks\.1\.hook_resid_post: .*sae_weights\.safetensors/)
    } finally {
      await damaged.close()
    }
  })
})

describe('runs', () => {
  it('answers 404 for runs that are not there', async () => {
    expect(await parsed(z.array(Run), await get('/api/runs'))).toEqual([])
    await problem(await get('/api/runs/none/points'), 404)
    for (const change of ['stop', 'pause', 'continue'])
      await problem(await get(`/api/runs/none/${change}`, { method: 'POST' }), 404)
    await problem(await get('/api/runs/a%00/stop', { method: 'POST' }), 400)
  })

  it('tells every page what a run does, keeps its points and stops it on request', async () => {
    const stop = new AbortController()
    const stream = await get('/api/events', { signal: stop.signal })
    expect(stream.headers.get('content-type')).toContain('text/event-stream')
    const config = { ...(await tinyConfig(folder, 'streamed')), n_tokens: 4_000_000 }
    const id = await server.jobs.enqueue('train', config)
    const seen = new Set<string>()
    for await (const event of serverSentEvents(stream)) {
      if (event.type === 'run' && event.run.id === id) seen.add(event.run.state)
      if (event.type === 'points') {
        expect(event.points[0]!.sae).toBe('streamed~blocks.1.hook_resid_post~width_64~l0_8')
        break
      }
    }
    stop.abort()
    expect([...seen]).toEqual(['queued', 'running'])
    const halfway = await parsed(Workspace, await get('/api/workspace'))
    const streamed = halfway.suites.find(({ name }) => name === 'streamed')!
    expect(streamed.saes.map(({ state }) => state)).toEqual(['training', 'training'])
    const untrained = await parsed(
      Microscope,
      await post('/api/microscope', { text: TEXT, suite: 'streamed' }),
    )
    const trained = await parsed(
      Microscope,
      await post('/api/microscope', { text: TEXT, suite: 'tiny' }),
    )
    expect(untrained).toEqual({
      ...trained,
      rows: [],
      latents: [],
      left_out: ['1 special token: shown, not read'],
    })

    const change = async (to: string) =>
      parsed(Run, await get(`/api/runs/${id}/${to}`, { method: 'POST' }))
    expect((await change('pause')).state).toBe('paused')
    expect((await change('continue')).state).toBe('running')
    expect((await change('pause')).state).toBe('paused')
    expect((await change('stop')).state).toBe('stopped')
    await problem(await get(`/api/runs/${id}/pause`, { method: 'POST' }), 409)
    const points = await parsed(z.array(RunPoint), await get(`/api/runs/${id}/points`))
    expect(points.length).toBeGreaterThan(0)

    const of_suite = await parsed(z.array(RunPoint), await get('/api/suites/streamed/points'))
    const keys = (list: readonly RunPoint[]) => list.map(({ sae, step }) => `${sae} ${step}`).sort()
    expect(keys(of_suite)).toEqual(keys(points))

    const replayed = serverSentEvents(await get('/api/events'))
    expect((await replayed.next()).value).toMatchObject({ type: 'run', run: { id } })
    await replayed.return(undefined)
  })
})

describe('GET /api/suites/:suite', () => {
  it('gives the settings that made it, and the curves that lie beside it', async () => {
    const origin = await parsed(SuiteOrigin, await get('/api/suites/tiny'))
    expect(origin.settings).toMatchObject({
      d_sae: '64',
      l0: '8',
      n_tokens: 2048,
      seed: 7,
      model: 'thimble-5m',
    })
    expect(Date.parse(origin.created!)).toBeLessThan(Date.now())
    const points = await parsed(z.array(RunPoint), await get('/api/suites/tiny/points'))
    expect(new Set(points.map(({ sae }) => sae))).toEqual(
      new Set([SAE, SAE.replace('blocks.4', 'blocks.1')]),
    )
    expect(points.at(-1)).toMatchObject({ step: 8, n_steps: 8, n_tokens: 2048 })
  })

  it('answers 404 for suites that are not there and 400 for what cannot be one', async () => {
    for (const path of ['/api/suites/none', '/api/suites/none/points'])
      await problem(await get(path), 404)
    await problem(await get('/api/suites/..%2Ftiny'), 400)
  })
})

describe('POST /api/steer', () => {
  const ask = { prompt: 'The ship', max_tokens: 12, temperature: 1, seed: 3 }
  const steered = (strength: number) => ({
    ...ask,
    interventions: [{ sae: SAE, latent: 5, mode: 'add', strength }],
  })

  it('streams both sides, then both texts', async () => {
    const answer = await post('/api/steer', steered(20))
    const sides: Record<string, string> = { default: '', steered: '' }
    let last: unknown
    for await (const event of serverSentEvents(answer)) {
      if (event.type === 'token') sides[event.side] += event.piece
      last = event
    }
    expect(last).toMatchObject({ type: 'done' })
    expect(sides.default).not.toBe('')
    expect(sides.steered).not.toBe(sides.default)
  })

  it('gives the same text on both sides at strength 0', async () => {
    let done: { default: string; steered: string } | undefined
    for await (const event of serverSentEvents(await post('/api/steer', steered(0))))
      if (event.type === 'done') done = event
    expect(done!.steered).toBe(done!.default)
    const { generate, openModel } = await import('../model/index.ts')
    const model = await openModel('thimble-5m', { threads: 1 })
    let text = ''
    for await (const token of generate(model, ask)) text += token.text
    await model.close()
    expect(done!.default).toBe(text)
  })

  it('says in the stream what is wrong with an intervention', async () => {
    const answer = await post('/api/steer', {
      ...ask,
      interventions: [{ sae: SAE, latent: 64, mode: 'ablate' }],
    })
    const events = []
    for await (const event of serverSentEvents(answer)) events.push(event)
    expect(events).toEqual([{ type: 'error', error: expect.stringContaining('latents 0 to 63') }])
  })

  it('refuses no intervention at all, and SAEs that are not there', async () => {
    await problem(await post('/api/steer', { ...ask, interventions: [] }), 400)
    const interventions = [{ sae: 'a~b~width_1~l0_1', latent: 0, mode: 'add' }]
    await problem(await post('/api/steer', { ...ask, interventions }), 404)
  })

  it('lets others ask while it streams, and stops when the page goes away', async () => {
    const stop = new AbortController()
    const answer = await get('/api/steer', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...steered(1), max_tokens: 200 }),
      signal: stop.signal,
    })
    const events = serverSentEvents(answer)
    await events.next()
    await parsed(Microscope, await post('/api/microscope', { text: TEXT }))
    stop.abort()
    const drain = async () => {
      while (!(await events.next()).done);
    }
    await expect(drain()).rejects.toThrow()
    await parsed(Microscope, await post('/api/microscope', { text: TEXT }))
  })
})

describe('who may ask', () => {
  it('refuses a Host that is not this server', async () => {
    const { port } = new URL(server.url)
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request({ port, path: '/api/workspace', headers: { host: 'evil.example' } }, (response) =>
        resolve(response.resume().statusCode),
      )
        .on('error', reject)
        .end()
    })
    expect(status).toBe(403)
  })

  it('refuses pages of another origin and offers them nothing', async () => {
    const answer = await get('/api/runs/x/stop', {
      method: 'POST',
      headers: { Origin: 'https://evil.example' },
    })
    expect(await problem(answer, 403)).toContain('evil.example')
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
  })

  it('sends a content policy that lets no foreign script run', async () => {
    const answer = await get('/')
    const policy = answer.headers.get('content-security-policy')!
    expect(policy).toContain("script-src 'self'")
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
  })

  it('asks for the token where there is one, and takes it as header, or once by address', async () => {
    const guarded = await startServer({
      workspace: join(folder, 'guarded'),
      port: 0,
      host: '0.0.0.0',
      database: 'memory://',
    })
    try {
      const token = new URL(guarded.url).searchParams.get('token')!
      expect(token.length).toBeGreaterThan(20)
      const at = (path: string) => new URL(path, guarded.url.replace('0.0.0.0', '127.0.0.1'))
      expect((await fetch(at('/api/workspace'))).status).toBe(401)
      expect((await fetch(at('/?token=wrong'))).status).toBe(401)
      const bearer = await fetch(at('/api/workspace'), {
        headers: { Authorization: `Bearer ${token}` },
      })
      expect(bearer.status).toBe(200)
      const first = await fetch(at(`/saes?x=1&token=${token}`), { redirect: 'manual' })
      expect(first.status).toBe(303)
      expect(first.headers.get('location')).toBe('/saes?x=1')
      const cookie = first.headers.get('set-cookie')!
      expect(cookie).toMatch(/HttpOnly/)
      expect(cookie).toMatch(/SameSite=Strict/)
      const next = await fetch(at('/api/workspace'), { headers: { cookie: cookie.split(';')[0]! } })
      expect(next.status).toBe(200)
    } finally {
      await guarded.close()
    }
  })
})

describe('the rest', () => {
  it('answers 404 with a problem on unknown API paths', async () => {
    expect(await problem(await get('/api/nothing'), 404)).toContain('/api/nothing')
  })

  it('names the busy port and what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    const workspace = join(folder, 'busy')
    await expect(startServer({ workspace, port, database: 'memory://' })).rejects.toThrow(
      new RegExp(`${port} is taken.*--port ${port + 1}`),
    )
    other.close()
  })
})

// biome-ignore lint/suspicious/noExplicitAny: events are checked by the tests themselves
async function* serverSentEvents(answer: Response): AsyncGenerator<any> {
  expect(answer.status).toBe(200)
  let rest = ''
  const decoder = new TextDecoder()
  for await (const bytes of answer.body!) {
    rest += decoder.decode(bytes, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const data = block.split('\n').filter((line) => line.startsWith('data: '))
      if (data.length > 0) yield JSON.parse(data.map((line) => line.slice(6)).join('\n'))
    }
  }
}
