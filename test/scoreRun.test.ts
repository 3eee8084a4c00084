/** Labels by a language model and tests of labels, ordered over HTTP: priced first, performed by the queue, capped; the key of the judge is nobody's to see. */
import { readFile, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { type Client, createClient } from '../src/api/index.ts'
import { runPipeline, settleAsking } from '../src/jobs/index.ts'
import { openLatents } from '../src/latents/disk.ts'
import { listSuite } from '../src/sae/disk.ts'
import { type OpenWorkspace, openWorkspace } from '../src/server/openWorkspace.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const ANTHOLOGY = '../models/thimble-5m/anthology.txt'
const KEY = 'sk-secret-0123456789'
const SAE = 'tiny~blocks.1.hook_resid_post~width_256~l0_2'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let index: number
let sae_folder: string
let base_url: string
let n_calls = 0
/** What the judge says to n texts; undefined keeps the client waiting. */
let judge: (n_texts: number) => string | undefined
let open: OpenWorkspace
let client: Client

const server = createServer((request, response) => {
  let text = ''
  request.on('data', (chunk) => {
    text += chunk
  })
  request.on('end', () => {
    n_calls++
    const { messages } = JSON.parse(text) as { messages: { content: string }[] }
    const is_explainer = messages[0]?.content.includes('You name detectors')
    const content = is_explainer
      ? '{"label": "<b>sea</b>"}'
      : judge([...(messages[1]?.content ?? '').matchAll(/^\d+\. /gm)].length)
    if (content === undefined) return
    const message = { role: 'assistant', content }
    const choices = [{ index: 0, message, finish_reason: 'stop' }]
    const usage = { prompt_tokens: 500, completion_tokens: 10, total_tokens: 510 }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ id: 'x', created: 0, model: 'tester', choices, usage }))
  })
})

beforeAll(async () => {
  vi.stubEnv('OPENAI_API_KEY', KEY)
  folder = await temporaryFolder()
  // More text than the index is made from: documents that no example is from.
  const anthology = await readFile(join(import.meta.dirname, ANTHOLOGY), 'utf8')
  const text = join(folder.path, 'text.txt')
  await writeFile(text, anthology.split('<|endoftext|>').slice(0, 50).join('<|endoftext|>'))
  const config = {
    ...(await tinyConfig(folder.path)),
    hooks: ['blocks.1.hook_resid_post'],
    // Rare enough to be silent in most texts.
    d_sae: [256],
    l0: [2],
    index_data: [text],
    index_tokens: 2000,
  }
  await runPipeline(config)
  const [entry] = await listSuite(config.out)
  sae_folder = entry!.path
  const file = await openLatents(sae_folder)
  const n_active = await file.column('n_active')
  await file.close()
  index = Array.from(n_active.keys())
    .filter((latent) => n_active[latent]! >= 0.005 * file.n_tokens)
    .sort((a, b) => n_active[a]! - n_active[b]!)[0]!
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  base_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
afterAll(async () => {
  vi.unstubAllEnvs()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  await folder.remove()
})
beforeEach(() => {
  n_calls = 0
  judge = (n) => JSON.stringify({ answers: Array.from({ length: n }, (_, i) => i % 2) })
})
afterEach(() => open.close())

/** Opens the workspace anew. @param max_cost of a judge at a million dollars a million tokens; none without it. */
async function serve(max_cost?: number): Promise<void> {
  const prices = { input: 1e6, output: 1e6 }
  const asked = settleAsking({ base_url, model: 'tester', prices, max_cost })
  open = await openWorkspace({
    workspace: folder.path,
    database: 'memory://',
    model: { threads: 1 },
    any_host: true,
    ...(max_cost === undefined ? {} : { judge: asked }),
  })
  await open.imported
  client = createClient('http://localhost', {
    fetch: (address, init) => open.app.request(address, init),
  })
}

const here = () => ({ suite: 'tiny', sae: SAE, index })
const scores = async () => (await client.latent({ sae: SAE, index })).label_scores ?? []

it('tests lexical labels without a language model, and says what the other tests lack', async () => {
  await serve()
  const { judge: nobody, offers } = await client.offerScores(here())
  expect(nobody).toBeUndefined()
  expect(offers.filter(({ absent }) => absent === undefined)).toMatchObject([
    { scorer: 'lexical', n_labels: 1, n_calls: 0 },
  ])
  await expect(client.scoreLabels({ ...here(), scorers: ['detection'] })).rejects.toThrow(
    /--provider/,
  )
  expect(await client.offerExplanations(here())).toEqual({ offers: [] })
  await expect(client.explainLatents(here())).rejects.toThrow(/--provider/)
  const run = await client.scoreLabels({ ...here(), scorers: ['lexical'] })
  expect(run).toMatchObject({ kind: 'score', suite: 'tiny', state: 'queued' })
  expect(await open.jobs.settled(run.id)).toMatchObject({ state: 'done', message: '1 score' })
  const found = await scores()
  expect(found).toMatchObject([{ scorer: 'lexical', judge: 'hooke', measure: 'balanced accuracy' }])
  const { labels } = await client.latent({ sae: SAE, index })
  expect(labels[0]).toMatchObject({
    score: found[0]!.value,
    score_method: expect.stringMatching(/^lexical, balanced accuracy over \d+ texts/),
  })

  // Ordered again it finds nothing to do; labels.json, written again, is imported and leaves the tested label alone.
  await utimes(join(sae_folder, 'labels.json'), new Date(), new Date())
  const again = await client.scoreLabels({ ...here(), scorers: ['lexical'] })
  expect((await open.jobs.settled(again.id)).message).toContain('nothing to do')
  expect((await client.offerScores(here())).offers[0]?.n_labels).toBe(0)
  const now = (await client.latent({ sae: SAE, index })).labels
  expect(now.filter(({ retired_at }) => retired_at === undefined)).toEqual(labels)
})

it('asks the language model that the server has, within the cap, and never tells the key', async () => {
  await serve(100_000)
  const offers = await client.offerScores(here())
  expect(offers.judge).toEqual({
    model: 'tester',
    where: new URL(base_url).host,
    max_cost: 100_000,
  })
  const detection = offers.offers.find(({ scorer }) => scorer === 'detection')!
  expect(detection).toMatchObject({ n_labels: 1, cost: expect.any(Number) })
  await expect(client.scoreLabels({ suite: 'tiny', scorers: ['detection'] })).rejects.toThrow(
    /would cost about \$.*--max-cost/,
  )
  await expect(
    client.scoreLabels({ suite: 'tiny', sae: SAE, scorers: ['lexical'] }),
  ).rejects.toThrow('go together')
  expect(n_calls).toBe(0)
  const run = await client.scoreLabels({ ...here(), scorers: ['detection'] })
  const done = await open.jobs.settled(run.id)
  expect(done).toMatchObject({ state: 'done' })
  expect(done.message).toMatch(/^1 score; \d+ calls, \$[\d.]+$/)
  expect(await scores()).toMatchObject([{ scorer: 'detection', judge: 'tester' }])
  expect(JSON.stringify([offers, done, await client.runs()])).not.toContain(KEY)

  // A label of its own is asked for, and is a label like others.
  const [contexts] = (await client.offerExplanations(here())).offers.filter(
    ({ explainer }) => explainer === 'contexts',
  )
  expect(contexts).toMatchObject({ n_latents: 1, cost: expect.any(Number) })
  const labelling = await client.explainLatents({ ...here(), explainer: 'contexts' })
  expect(labelling).toMatchObject({ kind: 'explain', suite: 'tiny' })
  expect((await open.jobs.settled(labelling.id)).message).toMatch(/^1 label; 1 calls, \$/)
  const { labels } = await client.latent({ sae: SAE, index })
  expect(labels[0]).toMatchObject({
    text: '<b>sea</b>',
    method: 'llm',
    author: 'tester (contexts)',
  })
  expect((await client.offerExplanations(here())).offers).toContainEqual(
    expect.objectContaining({ explainer: 'contexts', n_latents: 0 }),
  )

  // Stopped in the middle it leaves no score, and goes on.
  judge = () => undefined
  n_calls = 0
  const stopped = await client.scoreLabels({ ...here(), scorers: ['intruder'] })
  await vi.waitFor(() => expect(n_calls).toBeGreaterThan(0), { timeout: 30_000 })
  expect(await client.stopRun({ id: stopped.id })).toMatchObject({ state: 'stopped' })
  expect(await scores()).toHaveLength(1)
  judge = () => '{"intruder": 1}'
  const next = await client.continueRun({ id: stopped.id })
  expect(await open.jobs.settled(next.id)).toMatchObject({ state: 'done' })
  // Both labels of the latent.
  expect((await scores()).map(({ scorer }) => scorer)).toEqual([
    'detection',
    'intruder',
    'intruder',
  ])
})
