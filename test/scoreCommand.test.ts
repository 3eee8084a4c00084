/** `hooke score` against a server of the test's own: price first, scores kept, none where a call failed, nothing paid twice. */
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { runPipeline, saeId } from '../src/jobs/index.ts'
import { openLatents } from '../src/latents/disk.ts'
import { listSuite } from '../src/sae/disk.ts'
import { labelsOf, openDatabase, scoresOf } from '../src/store/index.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const ROOT = join(import.meta.dirname, '..')
const KEY = 'sk-secret-0123456789'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
let base_url: string
/** Names of latents that fire in some texts and are silent in others. */
let latents: string[]
let options: string[]

/** What the server was asked, in order; and what of it was answered. */
let asked: string[] = []
let answered: string[] = []
/** What it says to n texts; undefined keeps the client waiting, a number is a status. */
let judge: (n_texts: number, user: string) => string | number | undefined

const evens = (n: number) => JSON.stringify({ answers: Array.from({ length: n }, (_, i) => i % 2) })

const server = createServer((request, response) => {
  let text = ''
  request.on('data', (chunk) => {
    text += chunk
  })
  request.on('end', () => {
    const { messages } = JSON.parse(text) as { messages: { content: string }[] }
    const user = messages[1]?.content ?? ''
    asked.push(user)
    const content = judge([...user.matchAll(/^\d+\. /gm)].length, user)
    if (content === undefined) return
    const status = typeof content === 'number' ? content : 200
    if (status === 200) answered.push(user)
    response.writeHead(status, { 'content-type': 'application/json' })
    const message = { role: 'assistant', content }
    const choices = [{ index: 0, message, finish_reason: 'stop' }]
    const usage = { prompt_tokens: 500, completion_tokens: 10, total_tokens: 510 }
    response.end(
      status === 200
        ? JSON.stringify({ id: 'x', created: 0, model: 'tester', choices, usage })
        : '{"error": {"message": "no"}}',
    )
  })
})

beforeAll(async () => {
  vi.stubEnv('OPENAI_API_KEY', KEY)
  folder = await temporaryFolder()
  const config = {
    ...(await tinyConfig(folder.path)),
    hooks: ['blocks.1.hook_resid_post'],
    // Rare enough to be silent in most texts.
    d_sae: [256],
    l0: [2],
  }
  await runPipeline(config)
  suite = config.out
  const anthology = await readFile(join(ROOT, 'models/thimble-5m/anthology.txt'), 'utf8')
  const other = join(folder.path, 'other.txt')
  await writeFile(other, anthology.split('<|endoftext|>').slice(20, 60).join('<|endoftext|>'))
  const [entry] = await listSuite(suite)
  const file = await openLatents(entry!.path)
  const n_active = await file.column('n_active')
  await file.close()
  const { n_tokens } = file
  latents = Array.from(n_active.keys())
    .filter((latent) => n_active[latent]! >= 0.005 * n_tokens)
    .sort((a, b) => n_active[a]! - n_active[b]!)
    .slice(0, 4)
    .map((latent) => `${entry!.hook}/${latent}`)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  base_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  options = ['--base-url', base_url, '--data', other, '--tokens', '6000', '--examples', '10']
})
beforeEach(() => {
  asked = []
  answered = []
  judge = evens
})
afterAll(async () => {
  vi.unstubAllEnvs()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  await folder.remove()
})

const args = (model: string, ...more: string[]) => [
  ...['score', suite, '--model', model, '--latents', latents.join(','), ...options],
  ...more,
]

/** The scores in the database by one judge, by latent. */
async function kept(judged_by: string) {
  const [entry] = await listSuite(suite)
  const id = saeId('tiny', entry!)
  const db = await openDatabase(join(folder.path, '.hooke', 'db'))
  try {
    const found = []
    for (const name of latents) {
      const latent = Number(name.split('/').at(-1))
      const [label] = await labelsOf(db, id, latent)
      for (const score of await scoresOf(db, id, latent))
        if (score.judge === judged_by) found.push({ name, score, label: label! })
    }
    return found
  } finally {
    await db.close()
  }
}

it('says what it would cost, asks to allow more than a dollar, and makes no call for it', async () => {
  const dear = ['--price-in', '10000', '--price-out', '10000']
  const told = await hooke(...args('a', ...dear, '--estimate'))
  expect(told).toMatchObject({ code: 0 })
  expect(told.said).toMatch(
    /detection: 4 labels to score, about \d+ calls, \d+ tokens in.*about \$\d+/,
  )
  const refused = await hooke(...args('a', ...dear))
  expect(refused.code).toBe(2)
  expect(refused.message).toMatch(/would cost about \$.*--max-cost/)
  expect(asked).toEqual([])
})

it('keeps each score with its interval, its judge and its number of texts, and does not score twice', async () => {
  const result = await hooke(...args('a', '--scorers', 'detection,fuzzing'))
  expect(result.code).toBe(0)
  const found = await kept('a')
  expect(found.map(({ score }) => score.scorer).sort()).toEqual([
    ...Array<string>(4).fill('detection'),
    ...Array<string>(4).fill('fuzzing'),
  ])
  for (const { score, label } of found) {
    expect(score).toMatchObject({ measure: 'balanced accuracy', chance: 0.5 })
    expect(score.low).toBeLessThanOrEqual(score.value)
    expect(score.high).toBeGreaterThanOrEqual(score.value)
    expect(score.n).toBeGreaterThanOrEqual(10)
    expect(label.score_method).toContain('detection, balanced accuracy')
  }
  asked = []
  const again = await hooke(...args('a', '--scorers', 'detection,fuzzing'))
  expect(again.said).toContain('nothing to score')
  expect(asked).toEqual([])
  expect(await readFile(join(suite, 'calls.jsonl'), 'utf8')).not.toContain(KEY)
})

it('asks once more for an answer that cannot be read', async () => {
  judge = (n, user) => (user.includes('could not be read') ? evens(n) : evens(n + 1))
  const result = await hooke(...args('b'))
  expect(result.code).toBe(0)
  expect(await kept('b')).toHaveLength(4)
  expect(asked.filter((user) => user.includes('could not be read'))).toHaveLength(asked.length / 2)
})

it('leaves no score where answers are half, hostile, chatty or refused', async () => {
  const bad = [
    '{"answers": [1, 0',
    '{"answers": ["1); drop table hooke.labels;", 1e99, -1, null, {}]}',
    'Sure! All of them match.',
    400,
  ] as const
  const descriptions: string[] = []
  judge = (_, user) => {
    const [description] = user.split('\n')
    if (!descriptions.includes(description!)) descriptions.push(description!)
    return bad[descriptions.indexOf(description!)]
  }
  const result = await hooke(...args('bad'))
  expect(result.code).toBe(0)
  expect(descriptions).toHaveLength(bad.length)
  expect(result.said.match(/has no detection score: /g)).toHaveLength(bad.length)
  expect(await kept('bad')).toEqual([])
})

it('leaves no score where one call of several failed, and pays only for that one when it goes on', async () => {
  let n = 0
  judge = (n_texts) => (n++ === 2 ? 402 : evens(n_texts))
  await hooke(...args('c', '--concurrency', '1'))
  expect(await kept('c')).toHaveLength(3)
  asked = []
  await hooke(...args('c'))
  expect(asked).toHaveLength(1)
  expect(await kept('c')).toHaveLength(4)
})

it('stops at the cap and goes on under a higher one', async () => {
  const prices = ['--price-in', '1000', '--price-out', '1000']
  const stopped = await hooke(...args('d', ...prices, '--max-cost', '3'))
  expect(stopped.said).toContain('stopped at --max-cost')
  const spent = Number(/\$([\d.]+)$/.exec(stopped.said)?.[1])
  expect(spent).toBeGreaterThan(0)
  expect(spent).toBeLessThanOrEqual(3)
  const first = answered.length
  await hooke(...args('d', ...prices, '--max-cost', '1000'))
  expect(await kept('d')).toHaveLength(4)
  expect(answered.length).toBeGreaterThan(first)
  expect(new Set(answered).size).toBe(answered.length)
})

it('pays for no call twice after kill -9', { timeout: 60_000 }, async () => {
  const n_before = 5
  judge = (n) => (answered.length < n_before ? evens(n) : undefined)
  const child = spawn(process.execPath, ['src/cli/main.ts', ...args('e', '--concurrency', '3')], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  // All three places wait for an answer: what was answered before is in the journal.
  await vi.waitFor(() => expect([asked.length, said]).toEqual([n_before + 3, expect.anything()]), {
    timeout: 50_000,
    interval: 20,
  })
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGKILL')
  await ended
  const paid = new Set(answered)
  const lost = asked.filter((user) => !paid.has(user))
  expect([paid.size, lost.length]).toEqual([n_before, 3])

  asked = []
  judge = evens
  const result = await hooke(...args('e'))
  expect(result.code).toBe(0)
  expect(result.said).toContain('3 calls were under way when an earlier run ended')
  expect(asked.filter((user) => paid.has(user))).toEqual([])
  expect(lost.every((user) => asked.includes(user))).toBe(true)
  expect(new Set(answered).size).toBe(answered.length)
  expect(await kept('e')).toHaveLength(4)
})
