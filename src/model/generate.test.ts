import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../files/index.ts'
import { type GeneratedToken, type GenerateOptions, generate } from './generate.ts'
import { openModel } from './openModel.ts'
import { sampleDocuments } from './sampleDocuments.ts'
import type { Model } from './types.ts'

const model = await openModel('thimble-5m', { threads: 1 })
afterAll(() => model.close())
const golden = JSON.parse(
  readFileSync(join(packageRoot(), 'models/thimble-5m/golden.json'), 'utf8'),
) as { greedy: { prompt: string; ids: number[]; text: string } }

const collect = (options: GenerateOptions): Promise<GeneratedToken[]> =>
  Array.fromAsync(generate(model, options))

/** The tokenizer and sizes of the model, but it predicts these ids one after another, whatever it reads. */
function scripted(ids: number[]): Model {
  let step = 0
  return {
    ...model,
    async forward() {
      const logits = new Float32Array(model.config.d_vocab)
      logits[ids[step++]!] = 9
      return { acts: new Map(), logits }
    },
  }
}

describe('generate', () => {
  it('goes on greedily as the reference does, token by token', async () => {
    const { prompt, ids, text } = golden.greedy
    const start = model.tokenizer!.tokenize(prompt)
    const tokens = await collect({ prompt, temperature: 0, max_tokens: ids.length - start.length })
    expect([...start, ...tokens.map(({ id }) => id)]).toEqual(ids)
    expect(prompt + tokens.map((token) => token.text).join('')).toBe(text)
    expect(tokens.at(-1)?.stop).toBe('max_tokens')
    expect(tokens.slice(0, -1).every(({ stop }) => stop === undefined)).toBe(true)
  })

  it('reports log-probabilities equal to the losses of a full pass', async () => {
    const ids = model.tokenizer!.tokenize('The old lighthouse')
    const tokens = await collect({ ids, seed: 3, max_tokens: 9 })
    const whole = Int32Array.from([...ids, ...tokens.map(({ id }) => id)])
    const batch = {
      ids: whole,
      lengths: Int32Array.of(whole.length),
      n_seqs: 1,
      seq_len: whole.length,
    }
    const { next_token_loss } = await model.forward(batch, { loss: true })
    tokens.forEach(({ logprob }, i) => {
      expect(-logprob).toBeCloseTo(next_token_loss![ids.length - 1 + i]!, 4)
    })
  })

  it('needs a token to go on from', async () => {
    await expect(collect({ ids: new Int32Array(0) })).rejects.toThrow('the prompt has no tokens')
  })

  it('gives the same text for the same seed and another for another', async () => {
    const run = async (seed: number) =>
      (await collect({ prompt: 'She said', seed, max_tokens: 12 })).map(({ id }) => id)
    expect(await run(1)).toEqual(await run(1))
    expect(await run(1)).not.toEqual(await run(2))
  })

  it('stops where the context is full, and refuses a prompt that fills it', async () => {
    const ids = new Int32Array(250).fill(266)
    ids[0] = 2
    const tokens = await collect({ ids, temperature: 0, stop: [] })
    expect(tokens).toHaveLength(6)
    expect(tokens.at(-1)?.stop).toBe('n_ctx')
    await expect(collect({ ids: new Int32Array(256).fill(266) })).rejects.toThrow(
      'the prompt has 256 tokens, expected fewer than n_ctx 256',
    )
  })

  it('stops at EOS, at a BOS, at padding and at ids of your own', async () => {
    for (const id of [1, 2, 0, 420]) {
      const options = { prompt: 'The', temperature: 0, stop: [420] }
      const tokens = await Array.fromAsync(generate(scripted([266, id, 266]), options))
      expect(tokens.map((token) => [token.text, token.stop])).toEqual([
        [' the', undefined],
        ['', 'end_of_text'],
      ])
    }
  })

  it('holds back the bytes of a character until it is whole, or the text ends', async () => {
    const bytes = [246, 165, 159, 136]
    const run = async (ids: number[]) => {
      const options = { prompt: 'A', temperature: 0, max_tokens: ids.length }
      const tokens = await Array.fromAsync(generate(scripted(ids), options))
      return tokens.map(({ text }) => text)
    }
    expect(await run([...bytes, 266])).toEqual(['', '', '', '🙂', ' the'])
    expect(await run(bytes.slice(0, 2))).toEqual(['', '\uFFFD'])
    expect(await run([246, 1])).toEqual(['', '\uFFFD'])
  })

  it('stops when its signal says so', async () => {
    const stop = new AbortController()
    const tokens: number[] = []
    const run = (async () => {
      for await (const { id } of generate(model, { prompt: 'A', signal: stop.signal, seed: 1 })) {
        tokens.push(id)
        if (tokens.length === 3) stop.abort()
      }
    })()
    await expect(run).rejects.toThrow('aborted')
    expect(tokens).toHaveLength(3)
  })

  it('wants either a prompt or ids', async () => {
    await expect(collect({})).rejects.toThrow('give either a prompt or ids')
    await expect(collect({ prompt: 'a', ids: Int32Array.of(2) })).rejects.toThrow('and not both')
  })
})

describe('sampleDocuments', () => {
  it('samples the documents that generate would, whatever the batch', async () => {
    const options = { n_docs: 5, max_tokens: 11, seed: 4 }
    const docs = await Array.fromAsync(sampleDocuments(model, { ...options, batch: 3 }))
    expect(docs).toHaveLength(5)
    const alone = await Array.fromAsync(sampleDocuments(model, { ...options, batch: 1 }))
    expect(docs).toEqual(alone)
    const first = await collect({ ids: Int32Array.of(2), max_tokens: 11, seed: 4 })
    expect([...docs[0]!.ids]).toEqual(first.map(({ id }) => id))
    expect(docs[0]!.text).toBe(first.map(({ text }) => text).join(''))
    expect(docs[0]!.stop).toBe('max_tokens')
  })

  it('begins a longer run with the documents of a shorter one', async () => {
    const run = (n_docs: number) =>
      Array.fromAsync(sampleDocuments(model, { n_docs, max_tokens: 7, seed: 4, batch: 2 }))
    expect((await run(5)).slice(0, 3)).toEqual(await run(3))
  })

  it('refuses texts longer than the context', async () => {
    const run = Array.fromAsync(sampleDocuments(model, { n_docs: 1, max_tokens: 256 }))
    await expect(run).rejects.toThrow('max_tokens is 256, expected 1 to 255')
  })
})
