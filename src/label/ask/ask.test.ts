import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { openJournal } from '../disk.ts'
import { type AskerOptions, CapError, openAsker } from './asker.ts'
import { CallError, redact, retryAfter } from './call.ts'
import { expectedNumbers } from './odds.ts'
import type { ChatQuestion } from './question.ts'

type Request = { path: string; headers: Record<string, unknown>; body: Record<string, unknown> }

let requests: Request[]
/** Resolves when a request may be answered. */
let hold: () => Promise<void>
let answer: (request: Request) => { status?: number; body: unknown }
let url: string
let folder: string
let close: () => void

beforeEach(async () => {
  requests = []
  hold = () => Promise.resolve()
  folder = await mkdtemp(join(tmpdir(), 'hooke-ask-'))
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const one = { path: request.url ?? '', headers: request.headers, body: JSON.parse(text) }
      requests.push(one)
      const { status = 200, body } = answer(one)
      void hold().then(() =>
        response
          .writeHead(status, { 'content-type': 'application/json' })
          .end(JSON.stringify(body)),
      )
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  close = () => {
    server.closeAllConnections()
    server.close()
  }
})
afterEach(async () => {
  close()
  await rm(folder, { recursive: true })
})

const question = (user: string, more: Partial<ChatQuestion> = {}): ChatQuestion => ({
  kind: 'chat',
  purpose: 'test h/1',
  system: 'Say one.',
  user,
  max_output_tokens: 20,
  usual_output_tokens: 5,
  ...more,
})
const completion = (content: string, logprobs?: unknown) => ({
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content },
      finish_reason: 'stop',
      ...(logprobs ? { logprobs: { content: logprobs } } : {}),
    },
  ],
  usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
})
const open = (options: Partial<AskerOptions> = {}) =>
  openAsker({
    provider: 'compatible',
    base_url: `${url}/v1`,
    model: 'm',
    api_key: 'sk-secret-123456',
    first_delay_ms: 1,
    ...options,
  })

describe('openAsker', () => {
  it('speaks the protocols of OpenAI, Anthropic and Google, with the key where each wants it', async () => {
    const usage = { input_tokens: 7, output_tokens: 3 }
    answer = () => ({ body: completion('one') })
    const openai = await open({ provider: 'openai', embedding_model: 'e' })
    expect(await openai.ask(question('a'))).toMatchObject({ text: 'one', usage })
    expect(requests[0]).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer sk-secret-123456' },
      body: { model: 'm', temperature: 0 },
    })

    answer = () => ({
      body: {
        id: 'm1',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content: [{ type: 'text', text: 'two' }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage,
      },
    })
    const anthropic = await open({ provider: 'anthropic' })
    expect(await anthropic.ask(question('a'))).toMatchObject({ text: 'two', complete: true, usage })
    expect(requests[1]).toMatchObject({
      path: '/v1/messages',
      headers: { 'x-api-key': 'sk-secret-123456' },
      body: { model: 'm', max_tokens: 20, system: [{ type: 'text', text: 'Say one.' }] },
    })

    answer = () => ({
      body: {
        candidates: [
          { content: { role: 'model', parts: [{ text: 'three' }] }, finishReason: 'MAX_TOKENS' },
        ],
        usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 3, totalTokenCount: 10 },
      },
    })
    const google = await open({ provider: 'google' })
    expect(await google.ask(question('a'))).toMatchObject({ text: 'three', complete: false, usage })
    expect(requests[2]).toMatchObject({
      path: '/v1/models/m:generateContent',
      headers: { 'x-goog-api-key': 'sk-secret-123456' },
      body: { generationConfig: { maxOutputTokens: 20, temperature: 0 } },
    })
  })

  it('asks once where the same is asked twice, at the same time or later, and counts what it used', async () => {
    answer = () => ({ body: completion('one') })
    const asker = await open({ prices: { input: 1, output: 2 } })
    const [a, b] = await Promise.all([asker.ask(question('a')), asker.ask(question('a'))])
    expect([a.text, b.text, (await asker.ask(question('a'))).text]).toEqual(['one', 'one', 'one'])
    await asker.ask(question('b'))
    expect(requests).toHaveLength(2)
    const { n_remembered, ...paid } = asker.spent()
    expect(paid).toEqual({
      input_tokens: 14,
      output_tokens: 6,
      cost: (14 + 2 * 6) / 1e6,
      n_calls: 2,
    })
    // On a busy machine the second may begin when the first is done, and is remembered then.
    expect([1, 2]).toContain(n_remembered)
  })

  it('keeps to the number of calls at once, also where many wait', async () => {
    let most = 0
    const held: (() => void)[] = []
    answer = () => ({ body: completion('one') })
    hold = () => {
      most = Math.max(most, held.length + 1)
      return new Promise((go) => held.push(go))
    }
    const asker = await open({ concurrency: 3 })
    const all = Promise.all(Array.from({ length: 10 }, (_, i) => asker.ask(question(`${i}`))))
    const done = all.then(() => true)
    while (!(await Promise.race([done, new Promise((go) => setTimeout(go, 30))])))
      for (const go of held.splice(0)) go()
    expect([requests.length, most]).toEqual([10, 3])
  })

  it('refuses a call that could pass the cap', async () => {
    answer = () => ({ body: completion('one') })
    const asker = await open({ prices: { input: 1, output: 1 }, max_cost: 1e-6 })
    await expect(asker.ask(question('a'))).rejects.toThrow(CapError)
    expect(requests).toHaveLength(0)
  })

  it('holds a server to the shape of an answer, and does without where the server refuses', async () => {
    const schema = z.object({ n: z.int() })
    answer = ({ body }) =>
      body.response_format === undefined && body.logprobs === undefined
        ? { body: completion('{"n": 1}') }
        : { status: 400, body: { error: { message: 'unknown field' } } }
    const asker = await open()
    expect((await asker.ask(question('a', { schema, odds: true }))).text).toBe('{"n": 1}')
    expect(requests.map(({ body }) => [body.logprobs, body.response_format !== undefined])).toEqual(
      [
        [true, true],
        [undefined, true],
        [undefined, false],
      ],
    )
    expect(requests[0]?.body.response_format).toMatchObject({
      type: 'json_schema',
      json_schema: { schema: { properties: { n: { type: 'integer' } } } },
    })
    await asker.ask(question('b', { schema, odds: true }))
    expect(requests).toHaveLength(4)
  })

  it('hands over answers that are not of the shape, for those who know what to do', async () => {
    answer = () => ({ body: completion('no json') })
    const asker = await open()
    expect(await asker.ask(question('a', { schema: z.object({}) }))).toMatchObject({
      text: 'no json',
    })
  })

  it('takes the odds of numbers from both spellings of the protocol', async () => {
    const odds = [
      { token: '[', logprob: 0, top_logprobs: [] },
      {
        token: '4',
        logprob: Math.log(0.5),
        top_logprobs: [
          { token: '4', logprob: Math.log(0.5) },
          { token: '8', logprob: Math.log(0.25) },
          { token: 'x', logprob: Math.log(0.25) },
        ],
      },
      { token: ']', logprob: 0, top_logprobs: [] },
    ]
    answer = () => ({ body: completion('[4]', odds) })
    for (const provider of ['openai', 'compatible'] as const) {
      const asker = await open({ provider })
      const { expected } = await asker.ask(question('a', { odds: true }))
      expect(expected?.[0]?.at).toBe(1)
      expect(expected?.[0]?.value).toBeCloseTo((4 * 2 + 8) / 3, 12)
      expect(requests.at(-1)?.body).toMatchObject({ logprobs: true, top_logprobs: 20 })
    }
    expect(expectedNumbers(odds, '[5]')).toBeUndefined()
    expect(expectedNumbers([{ token: 3 }], '3')).toBeUndefined()
  })

  it('reckons the highest where a server counts what cannot be, and so keeps to the cap', async () => {
    answer = () => ({
      body: { ...completion('one'), usage: { prompt_tokens: -1e6, completion_tokens: -1e6 } },
    })
    const asker = await open({ prices: { input: 1e6, output: 1e6 }, max_cost: 60 })
    await asker.ask(question('a'))
    expect(asker.spent().output_tokens).toBe(20)
    await expect(asker.ask(question('b'))).rejects.toThrow(CapError)
    expect(requests).toHaveLength(1)
  })

  it('does not hold an answer without end in memory, nor ask for it again', async () => {
    answer = () => ({ body: completion('x'.repeat(2 ** 25)) })
    const asker = await open()
    await expect(asker.ask(question('a'))).rejects.toThrow(CallError)
    expect(requests).toHaveLength(1)
  })

  it('asks the language model on where the embedding model is not there, which is asked once', async () => {
    answer = ({ path }) =>
      path.endsWith('/embeddings')
        ? { status: 404, body: { error: { message: 'no such model' } } }
        : { body: completion('one') }
    const asker = await open({ embedding_model: 'e' })
    const near = { kind: 'similarity', purpose: 'p', query: 'sea', texts: ['ship'] } as const
    await expect(asker.ask(near)).rejects.toThrow('404')
    await expect(asker.ask({ ...near, query: 'moon' })).rejects.toThrow('404')
    expect(await asker.ask(question('a'))).toMatchObject({ text: 'one' })
    expect(requests).toHaveLength(2)
  })

  it('gives the cosine of a query with each text', async () => {
    const vectors: Record<string, number[]> = { q: [1, 0], same: [2, 0], other: [0, 3] }
    answer = ({ body }) => ({
      body: {
        object: 'list',
        data: (body.input as string[]).map((text, index) => ({
          object: 'embedding',
          index,
          embedding: vectors[text],
        })),
        model: 'e',
        usage: { prompt_tokens: 9, total_tokens: 9 },
      },
    })
    const asker = await open({ embedding_model: 'e' })
    const texts = ['same', 'other']
    const found = await asker.ask({ kind: 'similarity', purpose: 'x', query: 'q', texts })
    expect(JSON.parse(found.text)).toEqual([1, 0])
    expect(requests[0]).toMatchObject({ path: '/v1/embeddings', body: { model: 'e' } })
    expect(asker.spent().input_tokens).toBe(9)
  })
})

describe('openJournal', () => {
  it('finds answers by where they lie, whatever they hold', async () => {
    const path = join(folder, 'calls.jsonl')
    const texts = ['plain', 'lines\u2028that\u2029\r\nend', 'wörter 🙂', 'last']
    answer = ({ body }) => {
      const { messages } = body as { messages: { content: string }[] }
      return { body: completion(texts[Number(messages[1]?.content)]!) }
    }
    const first = await open({ journal: await openJournal(path) })
    for (const i of texts.keys()) await first.ask(question(`${i}`))
    for (const asker of [first, await open({ journal: await openJournal(path) })])
      for (const [i, text] of texts.entries())
        expect(await asker.ask(question(`${i}`))).toMatchObject({ text })
    expect(requests).toHaveLength(texts.length)
  })

  it('keeps answers and failures, no key, and what was lost; a torn line costs one call', async () => {
    const path = join(folder, 'calls.jsonl')
    answer = ({ body }) =>
      JSON.stringify(body.messages).includes('bad')
        ? { status: 400, body: { error: { message: 'no, Bearer sk-secret-123456' } } }
        : { body: completion('one') }
    const first = await open({ journal: await openJournal(path) })
    await first.ask(question('a'))
    await first.ask(question('b'))
    await expect(first.ask(question('bad'))).rejects.toThrow('status 400')
    const text = await readFile(path, 'utf8')
    expect(text).not.toContain('secret')
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).event),
    ).toEqual(['asked', 'answered', 'asked', 'answered', 'asked', 'failed'])

    // As a kill leaves it: b's answer half written.
    const lines = text.split('\n')
    await writeFile(path, `${lines.slice(0, 3).join('\n')}\n${lines[3]?.slice(0, 40)}`)
    requests = []
    const journal = await openJournal(path)
    expect(journal.lost).toMatchObject({ n_calls: 1, output_tokens: 20 })
    const second = await open({ journal })
    expect((await second.ask(question('a'))).text).toBe('one')
    expect(requests).toHaveLength(0)
    await second.ask(question('b'))
    expect(requests).toHaveLength(1)
    requests = []
    const third = await open({ journal: await openJournal(path) })
    await Promise.all([third.ask(question('a')), third.ask(question('b'))])
    expect(requests).toHaveLength(0)
  })
})

describe('retryAfter', () => {
  it('reads milliseconds, seconds and dates', () => {
    expect(retryAfter({ 'retry-after-ms': '250', 'retry-after': '9' })).toBe(250)
    expect(retryAfter({ 'retry-after': '1.5' })).toBe(1500)
    expect(retryAfter({ 'retry-after': 'Thu, 01 Jan 1970 00:00:10 GMT' }, 4000)).toBe(6000)
    expect(retryAfter({ 'retry-after': 'soon' })).toBeUndefined()
    expect(retryAfter({})).toBeUndefined()
  })
})

describe('redact', () => {
  it('takes out the key and what looks like one', () => {
    expect(redact('a secret-1 b sk-proj-ab**cd c', 'secret-1')).toBe('a [key] b [key] c')
    expect(redact('nothing here', '')).toBe('nothing here')
  })
})
