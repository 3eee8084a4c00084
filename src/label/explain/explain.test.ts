import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LatentRecord } from '../../latents/index.ts'
import { type AskerOptions, openAsker } from '../ask/asker.ts'
import { estimateCost } from '../ask/cost.ts'
import {
  type ExplainEvent,
  type ExplainRunOptions,
  explainLatents,
  explainQuestion,
} from './explain.ts'

const KEY = 'sk-test-0123456789abcdef'
const pieces = ['<bos>', ' the', ' moon', ' rose', '<0x0A>', ' sea', ...'abcdefghijkl'.split('')]

/** A latent that fires on " moon"; latent 9 never fires. */
const latent = (index: number): LatentRecord => ({
  index,
  density: 0.1,
  n_active: index === 9 ? 0 : 3,
  max_act: 2,
  mean_act: 1,
  histogram: { edges: [0, 2], counts: [3] },
  examples:
    index === 9
      ? []
      : [
          {
            interval: 0,
            doc: 0,
            start: 0,
            peak: 2,
            ids: Int32Array.of(0, 1, 2, 3, 4),
            values: Float32Array.of(0, 0, 2, 0.1, 0),
          },
          {
            interval: 1,
            doc: 1,
            start: 5,
            peak: 1,
            // No two latents ask the same question.
            ids: Int32Array.of(1, 5, 3, 6 + index),
            values: Float32Array.of(0.5, 0.6, 0, 0),
          },
        ],
  top_logits: [{ id: 3, effect: 0.5 }],
  bottom_logits: [],
  neighbours: [],
})
const latents = (n: number) => Array.from({ length: n }, (_, index) => latent(index))

type Body = {
  model: string
  messages: { role: string; content: string }[]
  temperature: number
  max_tokens: number
}
type Reply = (response: ServerResponse, request: IncomingMessage, body: Body, n: number) => void

const completion = (
  content: string,
  extra: { finish_reason?: string; usage?: object | null } = {},
) =>
  JSON.stringify({
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o-mini',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content },
        finish_reason: extra.finish_reason ?? 'stop',
      },
    ],
    ...(extra.usage === null
      ? {}
      : { usage: extra.usage ?? { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 } }),
  })
const send = (
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
const label = (text: string) => completion(JSON.stringify({ label: text }))
const problem = (message: string) => JSON.stringify({ error: { message, type: 'x', code: null } })

let reply: Reply
let requests: { body: Body; authorization: string | undefined; path: string | undefined }[]
let base_url: string
let close: () => void

beforeEach(async () => {
  requests = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const body = JSON.parse(text) as Body
      requests.push({ body, authorization: request.headers.authorization, path: request.url })
      reply(response, request, body, requests.length)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  base_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  close = () => {
    server.closeAllConnections()
    server.close()
  }
})
afterEach(() => close())

type RunOptions = Partial<Omit<AskerOptions, 'signal'> & ExplainRunOptions>

async function run(
  records: Iterable<LatentRecord>,
  { explainer = 'contexts', skip, near_misses, ...options }: RunOptions = {},
): Promise<ExplainEvent[]> {
  const signal = options.signal
  const asker = await openAsker({
    provider: 'compatible',
    base_url,
    api_key: KEY,
    model: 'gpt-4o-mini',
    concurrency: 1,
    first_delay_ms: 1,
    ...options,
  })
  const events: ExplainEvent[] = []
  for await (const event of explainLatents(records, asker, {
    explainer,
    pieces,
    hook: 'h',
    signal,
    ...(skip ? { skip } : {}),
    ...(near_misses ? { near_misses } : {}),
  }))
    events.push(event)
  return events
}

describe('explainLatents', () => {
  it('asks in the chat protocol, with marked tokens, next tokens and raised tokens, and hands out the label', async () => {
    reply = (response) => send(response, 200, label('the moon.'))
    const events = await run([latent(0)], { prices: { input: 1, output: 10 } })
    expect(events[0]).toMatchObject({
      type: 'label',
      latent: 0,
      text: 'the moon',
      method: 'llm',
      author: 'gpt-4o-mini (contexts)',
    })
    expect(events[1]).toEqual({
      type: 'done',
      n_labelled: 1,
      n_failed: 0,
      n_skipped: 0,
      n_calls: 1,
      n_remembered: 0,
      input_tokens: 100,
      output_tokens: 10,
      cost: 0.0002,
    })
    const [request] = requests
    expect(request?.path).toBe('/v1/chat/completions')
    expect(request?.authorization).toBe(`Bearer ${KEY}`)
    expect(request?.body).toMatchObject({ model: 'gpt-4o-mini', temperature: 0, max_tokens: 120 })
    const user = request?.body.messages.find(({ role }) => role === 'user')?.content
    expect(request?.body.messages.map(({ role }) => role)).toEqual(['system', 'user'])
    expect(user).toContain('1. <bos> the <<moon>> rose↵')
    expect(user).toContain('1. <<the sea>> rose')
    expect(user).toContain('right after the strongest: [" rose"]')
    expect(user).toContain('Raised tokens: [" rose"]')
  })

  it('labels nothing from an answer that is cut, wordy, empty or not the object asked for, and goes on', async () => {
    const answers = [
      completion('{"label": "the mo', { finish_reason: 'length' }),
      completion('{"label": "the mo'),
      completion('The label is: moon'),
      completion('{"label": ""}'),
      completion('{"name": "moon"}'),
      completion(`{"label": "${'x'.repeat(101)}"}`),
      completion('{"label": null}'),
      completion('```json\n{"label": "moon"}\n```'),
    ]
    reply = (response, _request, _body, n) => send(response, 200, answers[n - 1] ?? '')
    const events = await run(latents(8))
    expect(events.map((event) => event.type)).toEqual([
      ...Array<string>(7).fill('failed'),
      'label',
      'done',
    ])
    expect(events[0]).toMatchObject({ error: expect.stringContaining('cut at its longest') })
    expect(events[1]).toMatchObject({
      error: expect.stringContaining('not the JSON object asked for'),
    })
    expect(events.at(-1)).toMatchObject({ n_labelled: 1, n_failed: 7, input_tokens: 800 })
  })

  it('reports malformed JSON from the server without asking again', async () => {
    reply = (response) => send(response, 200, '{"choices": [{"mess')
    const events = await run([latent(0)])
    expect(events[0]).toMatchObject({ type: 'failed', error: expect.stringContaining('damaged') })
    expect(requests).toHaveLength(1)
  })

  it('ends at a refused key, after one call, and does not show the key even when the server does', async () => {
    reply = (response) =>
      send(response, 401, problem(`Incorrect API key provided: ${KEY}, or sk-test-01*****cdef.`))
    const error = await run(latents(3)).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).toMatch(/refuses the key.*401/)
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('sk-test')
    expect((error as Error).cause).toBeUndefined()
    expect(requests).toHaveLength(1)
  })

  it('never shows the key in a reported failure either', async () => {
    reply = (response) => send(response, 400, problem(`bad request of Bearer ${KEY}`))
    const events = await run([latent(0)])
    expect(events[0]).toMatchObject({
      type: 'failed',
      error: expect.stringContaining('status 400'),
    })
    expect(JSON.stringify(events)).not.toContain('sk-test')
  })

  it('ends with what to check where the model is not known', async () => {
    reply = (response) => send(response, 404, problem('The model `nope` does not exist'))
    await expect(run([latent(0)])).rejects.toThrow(/base URL and the model's name/)
  })

  it('waits as long as a 429 asks, then goes on', async () => {
    const times: number[] = []
    reply = (response, _request, _body, n) => {
      times.push(performance.now())
      if (n === 1) send(response, 429, problem('slow down'), { 'retry-after': '1' })
      else send(response, 200, label('moon'))
    }
    const events = await run([latent(0)])
    expect(events[0]).toMatchObject({ type: 'label' })
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990)
  })

  it('reports a 429 that asks for more patience than is sensible', async () => {
    reply = (response) => send(response, 429, problem('quota'), { 'retry-after': '86400' })
    expect((await run([latent(0)]))[0]).toMatchObject({
      type: 'failed',
      error: expect.stringContaining('429'),
    })
    expect(requests).toHaveLength(1)
  })

  it('asks again after a 500, and gives up after the retries', async () => {
    reply = (response, _request, _body, n) =>
      n === 1 ? send(response, 500, problem('oops')) : send(response, 200, label('moon'))
    expect((await run([latent(0)]))[0]).toMatchObject({ type: 'label' })
    reply = (response) => send(response, 503, problem('busy'))
    expect((await run([latent(0)], { retries: 2 }))[0]).toMatchObject({
      type: 'failed',
      error: expect.stringContaining('503'),
    })
    expect(requests).toHaveLength(2 + 3)
  })

  it('asks again after a cut connection and counts the lost call at its highest', async () => {
    reply = (response, _request, _body, n) => {
      if (n === 1) {
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
          .write('{"choices"')
        setTimeout(() => response.destroy(), 20)
      } else send(response, 200, label('moon'))
    }
    const events = await run([latent(0)])
    expect(events[0]).toMatchObject({ type: 'label', text: 'moon' })
    expect((events[1] as { output_tokens: number }).output_tokens).toBe(10 + 120)
  })

  it('stops before the cap is passed', async () => {
    const prices = { input: 1, output: 1 }
    reply = (response) =>
      send(
        response,
        200,
        completion('{"label": "moon"}', {
          usage: { prompt_tokens: 700, completion_tokens: 100, total_tokens: 800 },
        }),
      )
    for (const concurrency of [1, 3]) {
      requests = []
      const events = await run(latents(9), { prices, max_cost: 0.0045, concurrency })
      const done = events.at(-1)
      expect(done).toMatchObject({ type: 'done', stopped: 'max_cost' })
      expect((done as { cost: number }).cost).toBeLessThanOrEqual(0.0045)
      expect(requests.length).toBeGreaterThan(0)
      expect(requests.length).toBeLessThan(9)
    }
    requests = []
    expect(await run(latents(3), { prices, max_cost: 0.000_001 })).toEqual([
      expect.objectContaining({ n_labelled: 0, cost: 0, stopped: 'max_cost' }),
    ])
    expect(requests).toHaveLength(0)
  })

  it('refuses a cap where prices are not known', async () => {
    await expect(run([latent(0)], { max_cost: 1 })).rejects.toThrow(/prices/)
  })

  it('pays nothing twice when it goes on, and leaves out latents that never fire', async () => {
    reply = (response, _request, _body, n) =>
      n <= 3 ? send(response, 200, label(`l${n}`)) : send(response, 401, problem('expired'))
    const labelled = new Set<number>()
    const asker = await openAsker({
      provider: 'compatible',
      base_url,
      api_key: KEY,
      model: 'gpt-4o-mini',
      concurrency: 1,
    })
    await expect(
      (async () => {
        for await (const event of explainLatents(latents(10), asker, {
          explainer: 'contexts',
          pieces,
          hook: 'h',
        }))
          if (event.type === 'label') labelled.add(event.latent)
      })(),
    ).rejects.toThrow(/key/)
    expect([...labelled]).toEqual([0, 1, 2])
    requests = []
    reply = (response) => send(response, 200, label('more'))
    const events = await run(latents(10), { skip: (index) => labelled.has(index) })
    expect(requests).toHaveLength(6)
    expect(events.filter((event) => event.type === 'label').map((event) => event.latent)).toEqual([
      3, 4, 5, 6, 7, 8,
    ])
    expect(events.at(-1)).toMatchObject({ n_labelled: 6, n_skipped: 4 })
  })

  it('ends calls under way when it is aborted', async () => {
    const stop = new AbortController()
    reply = () => stop.abort(new Error('enough'))
    await expect(run(latents(5), { signal: stop.signal, concurrency: 2 })).rejects.toThrow('enough')
    expect(requests.length).toBeLessThanOrEqual(2)
  })

  it('keeps to the number of calls at once', async () => {
    let under_way = 0
    let most = 0
    reply = (response) => {
      most = Math.max(most, ++under_way)
      setTimeout(() => {
        under_way--
        send(response, 200, label('moon'))
      }, 5)
    }
    const events = await run(latents(9), { concurrency: 3 })
    expect(events.filter((event) => event.type === 'label')).toHaveLength(9)
    expect(most).toBe(3)
  })
})

describe('estimateCost', () => {
  it('scales a sample to all latents and tells no cost where prices are not known', () => {
    const options = { explainer: 'contexts', pieces, hook: 'h' } as const
    const question = explainQuestion(latent(0), options)!
    const one = estimateCost([question], { n_sampled: 1, n: 1 })
    const prices = { input: 0.15, output: 0.6 }
    const many = estimateCost([question, question], { n_sampled: 2, n: 1000, prices })
    expect(many.input_tokens).toBe(1000 * one.input_tokens)
    const cost = (0.15 * many.input_tokens + 0.6 * many.output_tokens) / 1e6
    expect(many.cost).toBeCloseTo(cost, 12)
    expect(one).not.toHaveProperty('cost')
    expect(estimateCost([], { n_sampled: 0, n: 0, prices })).toMatchObject({ cost: 0 })
  })
})
