import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Model, openModel, openRandom } from '../model/index.ts'
import { capture } from './capture.ts'
import { corpusBuilder, selectDocuments } from './corpus.ts'
import {
  type ActivationStream,
  openStream,
  type StreamEvent,
  type StreamOptions,
} from './stream.ts'
import type { TokenCorpus } from './types.ts'

const PATH = join(import.meta.dirname, '../../test/fixtures/gemma2-tiny')
const HOOKS = ['blocks.1.hook_resid_post', 'blocks.2.attn.hook_z'] as const
const [RESID, Z] = HOOKS

/** Texts of 1 to 29 tokens that begin with their own number, in documents of at most 16 with BOS. */
function randomCorpus(n_texts: number): TokenCorpus {
  const random = openRandom(5)
  const builder = corpusBuilder({ n_ctx: 16, bos: 2 })
  for (let text = 0; text < n_texts; text++) {
    const ids = Int32Array.from({ length: 1 + ((text * 7) % 29) }, () => 3 + random() * 317)
    builder.addText(ids)
  }
  builder.endFile('random')
  return builder.finish()
}

let model: Model
let corpus: TokenCorpus
beforeAll(async () => {
  model = await openModel(PATH, { threads: 1 })
  corpus = randomCorpus(31)
})
afterAll(() => model.close())

const open = (options: Partial<StreamOptions> = {}): Promise<ActivationStream> =>
  openStream(model, corpus, {
    hooks: HOOKS,
    model_path: PATH,
    bucket_tokens: 120,
    batch_tokens: 64,
    dtype: 'F32',
    ...options,
  })

/** Rows of both sites side by side, as text: rows of `n` batches. */
async function takeRows(
  stream: ActivationStream,
  n: number,
  options: { batch_size: number; seed: number; first_batch?: number },
): Promise<string[]> {
  const rows: string[] = []
  let left = n
  for await (const { acts, n_tokens } of stream.batches(options)) {
    for (let i = 0; i < n_tokens; i++)
      rows.push(
        HOOKS.map((hook) =>
          acts.get(hook)!.subarray(i * width(hook), (i + 1) * width(hook)),
        ).join(),
      )
    if (--left === 0) break
  }
  return rows
}
const width = (hook: (typeof HOOKS)[number]) => model.width(hook)

async function use<T>(stream: ActivationStream, work: (stream: ActivationStream) => Promise<T>) {
  try {
    return await work(stream)
  } finally {
    await stream.close()
  }
}

/** First component at the first site of every countable token, by the whole corpus's capture. */
async function capturedFirst(part: TokenCorpus): Promise<number[]> {
  const found: number[] = []
  for await (const { acts, n_tokens } of capture(model, part, { hooks: HOOKS, batch_tokens: 64 }))
    for (let i = 0; i < n_tokens; i++) found.push(acts.get(RESID)![i * width(RESID)]!)
  return found
}

describe('a stream', () => {
  it("gives in every epoch each token of the corpus once, with capture's activations", async () => {
    const expected = (await capturedFirst(corpus)).sort((a, b) => a - b)
    await use(await open(), async (stream) => {
      expect(stream.n_tokens).toBe(expected.length)
      expect([stream.width(RESID), stream.width(Z)]).toEqual([48, 64])
      const rows = await takeRows(stream, 2, { batch_size: expected.length, seed: 3 })
      const first = rows.map((row) => Number(row.slice(0, row.indexOf(','))))
      const epochs = [first.slice(0, expected.length), first.slice(expected.length)]
      for (const epoch of epochs) {
        const sorted = epoch.toSorted((a, b) => a - b)
        for (const [i, value] of expected.entries()) expect(sorted[i]).toBeCloseTo(value, 4)
      }
      expect(epochs[1]).not.toEqual(epochs[0])
    })
  })

  it("holds in one bucket exactly the bytes of capture's, and captures them once", async () => {
    const expected: string[] = []
    for await (const { acts, n_tokens } of capture(model, corpus, {
      hooks: HOOKS,
      batch_tokens: 64,
    }))
      for (let i = 0; i < n_tokens; i++)
        expected.push(
          HOOKS.map((hook) =>
            acts.get(hook)!.subarray(i * width(hook), (i + 1) * width(hook)),
          ).join(),
        )
    const events: StreamEvent[] = []
    const whole = await open({ bucket_tokens: 10_000, onCapture: (event) => events.push(event) })
    await use(whole, async (stream) => {
      const rows = await takeRows(stream, 3, { batch_size: expected.length, seed: 3 })
      expect(rows.slice(0, expected.length)).not.toEqual(expected)
      for (let epoch = 0; epoch < 3; epoch++) {
        const part = rows.slice(epoch * expected.length, (epoch + 1) * expected.length)
        expect(part.sort()).toEqual(expected.sort())
      }
    })
    expect(events.filter(({ what, n_tokens }) => what === 'bucket' && n_tokens === 0).length).toBe(
      1,
    )
  })

  it('is the same from the same seed, from any batch on, and cut into batches of any size', async () => {
    await use(await open(), async (stream) => {
      const options = { batch_size: 37, seed: 11 }
      const rows = await takeRows(stream, 24, options)
      expect(rows.length).toBeGreaterThan(1.5 * stream.n_tokens)
      expect(await takeRows(stream, 24, options)).toEqual(rows)
      for (const first_batch of [1, 9, 17]) {
        const later = await takeRows(stream, 5, { ...options, first_batch })
        expect(later).toEqual(rows.slice(first_batch * 37, (first_batch + 5) * 37))
      }
      expect(await takeRows(stream, 8, { batch_size: 111, seed: 11 })).toEqual(rows)
      expect(await takeRows(stream, 24, { ...options, seed: 12 })).not.toEqual(rows)
    })
  })

  it('mixes in a bucket tokens of documents from anywhere', async () => {
    await use(await open({ bucket_tokens: 200 }), async (stream) => {
      const half = await capturedFirst(selectDocuments(corpus, (doc) => doc < 20))
      const rows = await takeRows(stream, 1, { batch_size: 100, seed: 2 })
      const early = rows.filter((row) => {
        const value = Number(row.slice(0, row.indexOf(',')))
        return half.some((other) => Math.abs(other - value) < 1e-4)
      })
      expect(early.length).toBeGreaterThan(10)
      expect(early.length).toBeLessThan(90)
    })
  })

  it('makes the next bucket while one is served, and then waits', async () => {
    const events: StreamEvent[] = []
    const stream = await open({ onCapture: (event) => events.push(event) })
    const begun = () =>
      events.filter(({ what, n_tokens }) => what === 'bucket' && n_tokens === 0).length
    const isMade = () => events.at(-1)!.n_tokens === events.at(-1)!.of_tokens
    await use(stream, async () => {
      const batches = stream.batches({ batch_size: 10, seed: 1 })[Symbol.asyncIterator]()
      await batches.next()
      expect(begun()).toBe(2)
      const before = events.length
      while (!isMade()) await new Promise((done) => setTimeout(done, 5))
      expect(events.length).toBeGreaterThan(before)
      await new Promise((done) => setTimeout(done, 50))
      expect(begun()).toBe(2)
      await batches.return?.()
    })
  })

  it('captures nothing ahead that will not be asked for', async () => {
    const events: StreamEvent[] = []
    const stream = await open({ n_rows: 90, onCapture: (event) => events.push(event) })
    await use(stream, () => takeRows(stream, 9, { batch_size: 10, seed: 1 }))
    expect(events.filter(({ what, n_tokens }) => what === 'bucket' && n_tokens === 0).length).toBe(
      1,
    )
  })

  it('keeps rows in the element type asked for', async () => {
    const rows = async (dtype: 'F32' | 'BF16' | 'F16') =>
      use(await open({ dtype }), async (stream) => {
        const [row] = await takeRows(stream, 1, { batch_size: 5, seed: 4 })
        return { values: row!.split(',').map(Number), hash: stream.hash }
      })
    const [exact, ...rounded] = [await rows('F32'), await rows('BF16'), await rows('F16')]
    for (const [i, { values, hash }] of rounded.entries()) {
      expect(hash).not.toBe(exact!.hash)
      for (const [k, value] of values.entries())
        expect(Math.abs(value - exact!.values[k]!)).toBeLessThanOrEqual(
          Math.abs(exact!.values[k]!) * (i === 0 ? 2 ** -8 : 2 ** -10),
        )
    }
  })

  it('measures norms before rounding, and takes those of an earlier opening of the same stream', async () => {
    const squares = [0, 0]
    let n = 0
    for await (const { acts, n_tokens } of capture(model, corpus, { hooks: HOOKS })) {
      for (const [i, hook] of HOOKS.entries())
        squares[i]! += acts.get(hook)!.reduce((sum, x) => sum + x * x, 0)
      n += n_tokens
    }
    const stream = await open()
    await stream.close()
    for (const [i, hook] of HOOKS.entries())
      expect(stream.norm(hook)).toBeCloseTo(Math.sqrt(squares[i]! / n), 4)
    const events: StreamEvent[] = []
    const again = await open({ norms: stream.norms, onCapture: (event) => events.push(event) })
    await again.close()
    expect(again.norms).toEqual(stream.norms)
    expect(events).toEqual([])
    const other = await open({
      norms: stream.norms,
      dtype: 'F16',
      onCapture: (e) => events.push(e),
    })
    await other.close()
    expect(events.at(0)?.what).toBe('norms')
  })
})

describe('a stream that ends early', () => {
  it('stops at the signal, in the middle of a capture too, and can be read again', async () => {
    const stop = new AbortController()
    let isArmed = false
    const stream = await open({
      onCapture: ({ what, n_tokens }) => {
        if (isArmed && what === 'bucket' && n_tokens > 0) stop.abort(new Error('enough'))
      },
    })
    await use(stream, async () => {
      const rows = await takeRows(stream, 3, { batch_size: 20, seed: 1 })
      isArmed = true
      const batches = stream
        .batches({ batch_size: 20, seed: 1, signal: stop.signal })
        [Symbol.asyncIterator]()
      await expect(batches.next()).rejects.toThrow('enough')
      isArmed = false
      expect(await takeRows(stream, 3, { batch_size: 20, seed: 1 })).toEqual(rows)
    })
  })

  it('has one reader at a time', async () => {
    await use(await open(), async (stream) => {
      const batches = stream.batches({ batch_size: 20, seed: 1 })[Symbol.asyncIterator]()
      await batches.next()
      await expect(takeRows(stream, 1, { batch_size: 20, seed: 1 })).rejects.toThrow(/being read/)
      await batches.return?.()
      expect(await takeRows(stream, 1, { batch_size: 20, seed: 1 })).toHaveLength(20)
    })
  })

  it('passes on what the capture throws', async () => {
    await expect(open({ model_path: join(PATH, 'none') })).rejects.toThrow(/no folder/)
    const longer = selectDocuments(corpus, (doc) => doc < 3)
    longer.ids[1] = 4000
    await expect(openStream(model, longer, { hooks: HOOKS, model_path: PATH })).rejects.toThrow(
      /4000/,
    )
    const elsewhere = { ...model, hash: 'other' }
    await expect(openStream(elsewhere, corpus, { hooks: HOOKS, model_path: PATH })).rejects.toThrow(
      /another model/,
    )
  })

  it('refuses what it cannot be', async () => {
    await expect(open({ hooks: ['blocks.9.hook_resid_post'] })).rejects.toThrow(/no site blocks.9/)
    await expect(open({ bucket_tokens: 29 })).rejects.toThrow(/29, expected .* at least 30/)
  })
})
