import { describe, expect, it } from 'vitest'
import { characters, fakeModel } from '../../test/fakeModel.ts'
import { capture, planCapture } from './capture.ts'
import { corpusOfTexts } from './corpus.ts'
import type { CapturedBatch } from './types.ts'

const HOOKS = ['blocks.0.hook_resid_pre', 'blocks.0.hook_resid_post'] as const
/** Component k: id + position / 64, ten times that at the second site, plus 1000 k. */
const model = () =>
  fakeModel((hook, id, t, k) => (id + t / 64) * (hook === HOOKS[0] ? 1 : 10) + 1000 * k, {
    [HOOKS[0]]: 3,
    [HOOKS[1]]: 5,
  })
const texts = ['a$b', 'cdefg', 'h', 'ijk', 'lmnop']
const corpus = corpusOfTexts(texts, characters, { n_ctx: 9 })
const specials = characters.special_ids

const letters = (batch: CapturedBatch) =>
  characters.detokenize(Array.from(batch.token_index, (token) => corpus.ids[token]!))

describe('planCapture', () => {
  it('batches documents longest first, within the padded size', () => {
    const plan = planCapture(corpus, specials, { batch_tokens: 12 })
    expect(plan.batches.map(({ docs }) => docs)).toEqual([
      [1, 4],
      [0, 3, 2],
    ])
    expect(plan.batches.map(({ n_tokens }) => n_tokens)).toEqual([10, 6])
    expect(plan.batches.map(({ n_excluded }) => n_excluded)).toEqual([2, 4])
    expect([plan.n_tokens, plan.n_excluded, plan.token_end]).toEqual([16, 6, corpus.ids.length])
  })

  it('takes the first countable tokens of the corpus, whatever the batches', () => {
    const plan = planCapture(corpus, specials, { n_tokens: 5, batch_tokens: 12 })
    expect(plan.n_tokens).toBe(5)
    expect(characters.detokenize(corpus.ids.subarray(0, plan.token_end))).toBe('abcde')
  })

  it('runs a document alone that is longer than a batch', () => {
    const plan = planCapture(corpus, specials, { batch_tokens: 1 })
    expect(plan.batches.map(({ docs }) => docs.length)).toEqual([1, 1, 1, 1, 1])
  })

  it('refuses a corpus of special tokens and sizes that are none', () => {
    const only = corpusOfTexts(['$$'], characters, { n_ctx: 9 })
    expect(() => planCapture(only, specials)).toThrow(/none of the 3 tokens/)
    expect(() => planCapture(corpus, specials, { n_tokens: 0 })).toThrow(/n_tokens is 0/)
    expect(() => planCapture(corpus, specials, { batch_tokens: 2.5 })).toThrow(/batch_tokens/)
  })
})

describe('capture', () => {
  it('gives every countable token once, at every site, in one pass a batch', async () => {
    const fake = model()
    const seen = new Map<number, number>()
    for await (const batch of capture(fake, corpus, { hooks: HOOKS, batch_tokens: 12 })) {
      for (const [row, token] of batch.token_index.entries()) {
        seen.set(token, (seen.get(token) ?? 0) + 1)
        const doc_start = corpus.doc_start.findLast((start) => start <= token)!
        const expected = corpus.ids[token]! + (token - doc_start) / 64
        const [pre, post] = HOOKS.map((hook) => batch.acts.get(hook)!)
        expect([...pre!.subarray(row * 3, row * 3 + 3)]).toEqual(
          [0, 1, 2].map((k) => expected + 1000 * k),
        )
        expect(post!.subarray(row * 5, row * 5 + 5)).toEqual(
          Float32Array.from([0, 1, 2, 3, 4], (k) => expected * 10 + 1000 * k),
        )
      }
    }
    expect(fake.passes.n).toBe(2)
    expect([...seen.values()].every((n) => n === 1)).toBe(true)
    const countable = [...corpus.ids.keys()].filter((i) => !specials.has(corpus.ids[i]!))
    expect([...seen.keys()].sort((a, b) => a - b)).toEqual(countable)
  })

  it('skips batches and stops in the middle of a document', async () => {
    const options = { hooks: HOOKS, n_tokens: 9, batch_tokens: 12 }
    const all = await Array.fromAsync(capture(model(), corpus, options))
    expect(all.map(letters)).toEqual(['cdefgab', 'ih'])
    const rest = await Array.fromAsync(capture(model(), corpus, { ...options, first_batch: 1 }))
    expect(rest).toEqual(all.slice(1))
  })

  it('stops at the signal', async () => {
    const stop = new AbortController()
    const batches = capture(model(), corpus, { hooks: HOOKS, batch_tokens: 6, signal: stop.signal })
    await batches.next()
    stop.abort(new Error('enough'))
    await expect(batches.next()).rejects.toThrow('enough')
  })

  it('refuses no sites', async () => {
    await expect(capture(model(), corpus, { hooks: [] }).next()).rejects.toThrow(/no hook sites/)
  })
})
