import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seaSae } from '../../test/handmadeSaes.ts'
import { generate, type HookName, openModel, padBatch } from '../model/index.ts'
import { repetition } from './band.ts'
import { type Intervention, interventionEdits, latentValue, promptLayout } from './interventions.ts'
import { atStrength } from './strengths.ts'
import { divergence, type SweepEvent, type SweepOptions, sweep } from './sweep.ts'

const model = await openModel('thimble-5m', { threads: 1 })
afterAll(() => model.close())
const hook: HookName = 'blocks.3.hook_resid_post'
const d_in = model.config.d_model
const sae = await seaSae(model, hook)
const add: Intervention = { sae, latent: 0, mode: 'add', strength: 1, max_act: 20 }

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length

describe('divergence', () => {
  it('is sum p (log p - log q), row by row', () => {
    // p = (1/4, 3/4), q = (1/2, 1/2), at any height of the logits.
    const p = Float32Array.of(0, Math.log(3), 5, 5)
    const q = Float32Array.of(7, 7, 5, 5)
    const [first, second] = divergence(p, q, 2)
    expect(first).toBeCloseTo(0.25 * Math.log(0.5) + 0.75 * Math.log(1.5), 6)
    expect(second).toBe(0)
  })
})

describe('atStrength', () => {
  it('gives the strength to the largest, and its proportion to every other', () => {
    const half = { ...add, strength: 1 }
    const down: Intervention = { ...add, strength: -2 }
    const gone: Intervention = { ...add, mode: 'ablate', strength: 9 }
    const doses = atStrength([half, down, gone], 3)
    expect(doses.map(({ strength }) => strength)).toEqual([-1.5, 3, 9])
  })

  it('gives it to all where none has a strength yet', () => {
    const none = { ...add, strength: 0 }
    expect(atStrength([none, none], 2).map(({ strength }) => strength)).toEqual([2, 2])
  })
})

describe('a sweep', () => {
  const asked = {
    prompt: 'Then the old man',
    interventions: [add],
    max_tokens: 10,
    temperature: 0.8,
    seed: 3,
    n_samples: 3,
    strengths: [1.5, 0, 1.5],
  } satisfies SweepOptions
  const prompt = model.tokenizer!.tokenize(asked.prompt)
  let events: SweepEvent[]
  beforeAll(async () => {
    events = await Array.fromAsync(sweep(model, asked))
  })
  const find = <T extends SweepEvent['type']>(type: T) =>
    events.filter((event): event is Extract<SweepEvent, { type: T }> => event.type === type)

  /** Ids of the samples at a strength, drawn here once more. */
  async function draw(strength: number): Promise<number[][]> {
    const steering = interventionEdits([{ ...add, strength }], promptLayout(model, prompt))
    const answers: number[][] = []
    for (const seed of [3, 4, 5]) {
      const sampling = { ids: prompt, max_tokens: 10, temperature: 0.8, seed }
      const tokens = await Array.fromAsync(generate(model, { ...sampling, ...steering }))
      answers.push(tokens.map(({ id }) => id))
    }
    return answers
  }
  const whole = (answer: readonly number[]) => padBatch([Int32Array.from([...prompt, ...answer])])

  it('goes up the strengths, each once, after the default', () => {
    const kinds = events.filter(({ type }) => type !== 'progress').map(({ type }) => type)
    expect(kinds).toEqual(['default', 'point', 'point', 'done'])
    expect(find('point').map(({ strength }) => strength)).toEqual([0, 1.5])
  })

  it('at strength 0 is the default itself: no divergence, the same texts and figures', () => {
    const [{ type: _, ...plain }] = find('default') as [SweepEvent & { type: 'default' }]
    const [none] = find('point')
    expect(none!.kl).toBe(0)
    expect(none).toMatchObject({ ...plain, verdict: 'no_effect' })
  })

  it("perplexity is exp of the mean loss of the model's own pass over the texts", async () => {
    for (const point of find('point')) {
      const losses: number[] = []
      for (const answer of await draw(point.strength)) {
        const { next_token_loss } = await model.forward(whole(answer), { loss: true })
        losses.push(...next_token_loss!.slice(prompt.length - 1))
      }
      expect(point.n_tokens).toBe(losses.length)
      expect(point.perplexity!).toBeCloseTo(Math.exp(mean(losses)), 4)
    }
  })

  it('repetition and texts are those of the samples', async () => {
    const answers = await draw(1.5)
    const point = find('point')[1]!
    expect(point.repetition!).toBeCloseTo(mean(answers.map((ids) => repetition(ids)!)), 10)
    expect(point.texts).toEqual(
      answers.map((ids) => model.tokenizer!.detokenize(ids, { continues: true })),
    )
  })

  it('activations are read by the model as it is, a mean a text', async () => {
    const expected: number[] = []
    for (const answer of await draw(1.5)) {
      const { acts } = await model.forward(whole(answer), { hooks: [hook] })
      const { data } = acts.get(hook)!
      const values = answer.map((_, i) => {
        const from = (prompt.length + i) * d_in
        return latentValue(sae, 0, data.slice(from, from + d_in))
      })
      expected.push(mean(values))
    }
    const { acts } = find('point')[1]!
    expect(acts).toHaveLength(1)
    acts[0]!.forEach((act, i) => {
      expect(act).toBeCloseTo(expected[i]!, 3)
    })
  })

  it("KL is the mean over the default's texts of a plain pass with the edits against one without", async () => {
    const steering = interventionEdits([{ ...add, strength: 1.5 }], promptLayout(model, prompt))
    const kls: number[] = []
    for (const answer of await draw(0)) {
      const [p, q] = [await softmaxRows(answer, steering), await softmaxRows(answer, {})]
      p.forEach((row, t) => {
        kls.push(row.reduce((sum, x, i) => sum + x * Math.log(x / q[t]![i]!), 0))
      })
    }
    const { kl } = find('point')[1]!
    expect(kl!).toBeGreaterThan(0.1)
    expect(kl! / mean(kls)).toBeCloseTo(1, 3)
  })

  async function softmaxRows(
    answer: readonly number[],
    steering: Partial<ReturnType<typeof interventionEdits>>,
  ): Promise<number[][]> {
    const { logits } = await model.forward(whole(answer), { logits: true, ...steering })
    const { d_vocab } = model.config
    return answer.map((_, i) => {
      const row = Array.from(
        logits!.subarray((prompt.length - 1 + i) * d_vocab).subarray(0, d_vocab),
      )
      const total = row.reduce((sum, x) => sum + Math.exp(x), 0)
      return row.map((x) => Math.exp(x) / total)
    })
  }

  it('progress never goes back, and ends at the whole', () => {
    const done = find('progress').map(({ n_done }) => n_done)
    expect(done).toEqual(done.toSorted((a, b) => a - b))
    expect(find('progress').at(-1)).toMatchObject({ n_done: 3 * 3 * 10, n_total: 3 * 3 * 10 })
  })

  it('at a strength that works holds more of the latent, by all samples', () => {
    const [none, strong] = find('point')
    expect(mean(strong!.acts[0]!)).toBeGreaterThan(mean(none!.acts[0]!))
  })

  it('stops when it is told to', async () => {
    const stop = new AbortController()
    const running = sweep(model, { ...asked, signal: stop.signal })
    await running.next()
    stop.abort()
    await expect(Array.fromAsync(running)).rejects.toThrow(/abort/i)
  })

  it('refuses what cannot be swept', async () => {
    const run = (change: Partial<SweepOptions>) => sweep(model, { ...asked, ...change }).next()
    const ablate: Intervention = { ...add, mode: 'ablate' }
    await expect(run({ interventions: [ablate] })).rejects.toThrow('every intervention ablates')
    await expect(run({ n_samples: 1 })).rejects.toThrow('n_samples is 1')
    await expect(run({ temperature: 0 })).rejects.toThrow('temperature is 0')
    await expect(run({ top_k: 1 })).rejects.toThrow('their spread says nothing')
    await expect(run({ strengths: [] })).rejects.toThrow('strengths are []')
    await expect(run({ strengths: [Number.NaN] })).rejects.toThrow('strengths are [NaN]')
  })
})
