/** `hooke label --explainer contexts` against a server of the test's own: price first, cap, patience, nothing paid twice, the key unseen. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { runPipeline } from '../src/jobs/index.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const KEY = 'sk-secret-0123456789'
const MODEL = ['--explainer', 'contexts', '--model', 'tester', '--concurrency', '1']

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
let base_url: string
let asked: { authorization: string | undefined; model: string }[] = []
/** What the server answers to the next calls, before it answers well. */
let trouble: { status: number; headers?: Record<string, string>; body?: string }[] = []

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  let body = ''
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => {
    const { model } = JSON.parse(body) as { model: string }
    asked.push({ authorization: request.headers.authorization, model })
    const bad = trouble.shift()
    response.writeHead(bad?.status ?? 200, { 'content-type': 'application/json', ...bad?.headers })
    const message = { role: 'assistant', content: `{"label": "label ${asked.length}"}` }
    response.end(
      bad
        ? (bad.body ?? '{"error": {"message": "no"}}')
        : JSON.stringify({
            id: 'x',
            object: 'chat.completion',
            created: 0,
            model,
            choices: [{ index: 0, message, finish_reason: 'stop' }],
            usage: { prompt_tokens: 1000, completion_tokens: 10, total_tokens: 1010 },
          }),
    )
  })
})

beforeAll(async () => {
  vi.stubEnv('OPENAI_API_KEY', KEY)
  folder = await temporaryFolder()
  const config = { ...(await tinyConfig(folder.path)), hooks: ['blocks.1.hook_resid_post'] }
  await runPipeline(config)
  suite = config.out
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  base_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
beforeEach(() => {
  asked = []
  trouble = []
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await new Promise((done) => server.close(done))
  await folder.remove()
})

const label = (...more: string[]) =>
  hooke('label', suite, ...MODEL, '--base-url', base_url, ...more)
const labelled = (printed: string) => [...printed.matchAll(/^\S+\/(\d+): /gm)].map(([, n]) => n)

it('says what it would cost, and stops there where only that was asked', async () => {
  const result = await label('--latents', '3', '--estimate', '--price-in', '1', '--price-out', '2')
  expect(result.code).toBe(0)
  expect(result.said).toMatch(/3 latents to label.*tokens in.*about \$0\.\d+/)
  expect(asked).toEqual([])
})

it('labels with the key of the environment, goes on without paying twice, and shows the key to no one', async () => {
  const first = await label('--latents', '2')
  expect(labelled(first.printed)).toHaveLength(2)
  expect(asked).toHaveLength(2)
  expect(asked[0]).toEqual({ authorization: `Bearer ${KEY}`, model: 'tester' })
  const again = await label('--latents', '2')
  expect(asked).toHaveLength(2)
  expect(again.said).toContain('0 latents to label (2 are)')
  const more = await label('--latents', '3')
  expect(asked).toHaveLength(3)
  expect(labelled(first.printed)).not.toContain(labelled(more.printed)[0])
  expect(JSON.stringify([first, again, more])).not.toContain(KEY)
  const { hits } = JSON.parse((await hooke('search', suite, 'label 1', '--json')).printed) as {
    hits: { label: string }[]
  }
  expect(hits.map((hit) => hit.label)).toContain('label 1')
})

it('waits where the server asks for patience, and where it stumbles', async () => {
  trouble = [{ status: 429, headers: { 'retry-after': '0' } }, { status: 500 }]
  const result = await label('--latents', '4')
  expect(result.code).toBe(0)
  expect(labelled(result.printed)).toHaveLength(1)
  expect(asked).toHaveLength(3)
})

it('spends no more than the cap, says so, and goes on under a higher one', async () => {
  const prices = ['--price-in', '1000', '--price-out', '1000', '--latents', '9']
  const result = await label(...prices, '--max-cost', '0.0001')
  expect(result.code).toBe(0)
  expect(result.said).toContain('stopped at --max-cost')
  expect(asked).toEqual([])
  expect(labelled((await label(...prices, '--max-cost', '100')).printed)).toHaveLength(5)
})

it('stops at a refused key, even where the server repeats it', async () => {
  trouble = [{ status: 401, body: `{"error": {"message": "Incorrect API key: ${KEY}"}}` }]
  const result = await label('--latents', '12')
  expect(result.code).toBe(1)
  expect(result.message).toMatch(/key/)
  expect(asked).toHaveLength(1)
  expect(JSON.stringify(result)).not.toContain(KEY)
})

it('asks for prices where a cap is given and none are known', async () => {
  const result = await label('--latents', '12', '--max-cost', '1')
  expect(result.code).toBe(2)
  expect(result.message).toContain('--price-in')
  expect(asked).toEqual([])
})
