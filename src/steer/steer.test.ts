import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/golden.ts'
import { type HookName, openModel, openRandom, padBatch } from '../model/index.ts'
import type { Sae } from '../sae/index.ts'
import { encode } from '../sae/index.ts'
import { type Intervention, interventionEdits, latentValue } from './interventions.ts'
import { type SteerEvent, steer } from './steer.ts'

const model = await openModel('thimble-5m', { threads: 1 })
afterAll(() => model.close())
const hook: HookName = 'blocks.3.hook_resid_post'
const d_in = model.config.d_model

/** A dictionary of random unit directions; encoder columns are `align` times the decoder row plus noise. */
function randomSae(hook_name: HookName, d_sae: number, align: number, noise: number): Sae {
  const random = openRandom(9)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const W_enc = new Float32Array(d_in * d_sae)
  const W_dec = new Float32Array(d_sae * d_in)
  for (let i = 0; i < d_sae; i++) {
    const row = Float64Array.from({ length: d_in }, normal)
    const norm = Math.hypot(...row)
    row.forEach((x, j) => {
      W_dec[i * d_in + j] = x / norm
      W_enc[j * d_sae + i] = (align * x) / norm + noise * normal()
    })
  }
  return {
    architecture: 'jumprelu',
    hook_name,
    d_in,
    d_sae,
    W_enc,
    W_dec,
    b_enc: Float32Array.from({ length: d_sae }, () => 0.1 * normal()),
    b_dec: new Float32Array(d_in),
    threshold: new Float32Array(d_sae).fill(0.2),
    metadata: {},
  }
}

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const column = (sae: Sae, i: number): Float32Array =>
  Float32Array.from({ length: d_in }, (_, j) => sae.W_enc[j * sae.d_sae + i]!)
const direction = (sae: Sae, i: number): Float32Array => sae.W_dec.slice(i * d_in, (i + 1) * d_in)
const preAct = (sae: Sae, i: number, x: Float32Array): number =>
  dot(x, column(sae, i)) + sae.b_enc[i]!

const ids = model.tokenizer!.tokenize('The keeper climbed the stairs to light the lamp.')
const batch = padBatch([ids, ids.slice(0, 5)])

/** Rows of the hook with and without interventions, as [row, position] pairs of vectors. */
async function rows(interventions: Intervention[]): Promise<Float32Array[]> {
  const steering = interventionEdits(interventions)
  const { acts } = await model.forward(batch, { hooks: [hook], ...steering })
  const { data } = acts.get(hook)!
  return Array.from({ length: data.length / d_in }, (_, i) => data.slice(i * d_in, (i + 1) * d_in))
}

describe('interventionEdits', async () => {
  const sae = randomSae(hook, 7, 1, 0.02)
  const before = await rows([])
  const at = (latent: number, mode: Intervention['mode'], strength: number): Intervention => ({
    sae,
    latent,
    mode,
    strength,
    max_act: 3,
  })

  it('add: moves pre_acts[j] by c W_dec[i] . W_enc[:, j], for every latent j', async () => {
    const after = await rows([at(2, 'add', 1.5)])
    for (let j = 0; j < sae.d_sae; j++) {
      const expected = 1.5 * 3 * dot(direction(sae, 2), column(sae, j))
      for (const t of [1, 4, ids.length - 1]) {
        expect(preAct(sae, j, after[t]!) - preAct(sae, j, before[t]!)).toBeCloseTo(expected, 4)
      }
    }
  })

  it('clamp: moves the pre-activation by (c - f) W_dec[i] . W_enc[:, i]', async () => {
    const after = await rows([at(4, 'clamp', 2)])
    const gain = dot(direction(sae, 4), column(sae, 4))
    for (let t = 1; t < ids.length; t++) {
      const f = latentValue(sae, 4, before[t]!)
      const expected = preAct(sae, 4, before[t]!) + (6 - f) * gain
      expect(preAct(sae, 4, after[t]!)).toBeCloseTo(expected, 4)
    }
  })

  it('clamp: makes the value of an active latent the clamp where encoder and decoder agree', async () => {
    const tied = randomSae(hook, 7, 1, 0)
    let n_active = 0
    for (let latent = 0; latent < tied.d_sae; latent++) {
      const after = await rows([{ sae: tied, latent, mode: 'clamp', strength: 2, max_act: 3 }])
      for (let t = 1; t < ids.length; t++) {
        if (latentValue(tied, latent, before[t]!) === 0) continue
        n_active++
        expect(latentValue(tied, latent, after[t]!)).toBeCloseTo(6, 3)
      }
    }
    expect(n_active).toBeGreaterThan(10)
  })

  it('ablate is clamp to 0 is scale by 0, and scale by 1 changes nothing', async () => {
    const ablated = await rows([at(1, 'ablate', 1)])
    const clamped = await rows([at(1, 'clamp', 0)])
    const scaled = await rows([at(1, 'scale', 0)])
    const same = await rows([at(1, 'scale', 1)])
    for (let t = 0; t < ids.length; t++) {
      expectClose(clamped[t], ablated[t]!, 1e-6)
      expectClose(scaled[t], ablated[t]!, 1e-6)
      expectClose(same[t], before[t]!, 1e-6)
    }
  })

  it('keeps the error: h changes only by the change of f along the decoder row', async () => {
    const after = await rows([at(3, 'scale', -2)])
    for (let t = 1; t < ids.length; t++) {
      const f = latentValue(sae, 3, before[t]!)
      const expected = before[t]!.map((x, j) => x - 3 * f * direction(sae, 3)[j]!)
      expectClose(after[t], expected, 1e-5)
    }
  })

  it('takes the values of all latents before it changes any, so that their order does not matter', async () => {
    const two = [at(2, 'clamp', 1), at(5, 'ablate', 0)]
    const forth = await rows(two)
    const back = await rows(two.toReversed())
    for (let t = 1; t < ids.length; t++) {
      const [f, g] = [latentValue(sae, 2, before[t]!), latentValue(sae, 5, before[t]!)]
      const expected = before[t]!.map(
        (x, j) => x + (3 - f) * direction(sae, 2)[j]! - g * direction(sae, 5)[j]!,
      )
      expectClose(forth[t], expected, 1e-5)
      expectClose(back[t], forth[t]!, 1e-6)
    }
  })

  it('leaves BOS and padding alone', async () => {
    const after = await rows([at(0, 'add', 9)])
    expect(after[0]).toEqual(before[0])
    expect(after[ids.length]).toEqual(before[ids.length])
    expect(after[ids.length + 5]).toEqual(before[ids.length + 5])
    expect(after[ids.length + 4]).not.toEqual(before[ids.length + 4])
  })

  it('computes the value that the dictionary computes', () => {
    const acts = encode(sae, before[3]!)
    for (let i = 0; i < sae.d_sae; i++) {
      const at = acts.index.indexOf(i)
      const expected = at < 0 ? 0 : acts.value[at]!
      expect(latentValue(sae, i, before[3]!)).toBeCloseTo(expected, 4)
    }
  })

  it('refuses a latent that is not there, a unit that is none, and a dictionary of another width', async () => {
    expect(() => interventionEdits([at(7, 'ablate', 0)])).toThrow('latent 7, expected 0 to 6')
    expect(() => interventionEdits([{ ...at(1, 'add', 1), max_act: 0 }])).toThrow('never active')
    expect(() => interventionEdits([at(1, 'scale', Number.NaN)])).toThrow('strength is NaN')
    const narrow = { ...sae, d_in: 3, W_enc: new Float32Array(21), W_dec: new Float32Array(21) }
    await expect(rows([{ ...at(1, 'ablate', 0), sae: narrow }])).rejects.toThrow(
      "the dictionary's d_out is 3",
    )
  })
})

describe('interventions on a transcoder', async () => {
  const [reads, writes] = ['blocks.2.ln2.hook_normalized', 'blocks.3.hook_mlp_out'] as const
  const random = openRandom(5)
  const W_skip = Float32Array.from({ length: d_in * d_in }, () => random() - 0.5)
  const transcoder = { hook_name_out: writes, d_out: d_in, W_skip }
  const sae: Sae = { ...randomSae(reads, 7, 1, 0.05), transcoder }
  const plain = await model.forward(batch, { hooks: [reads, writes] })
  const row = (hook: HookName, acts: typeof plain.acts, t: number) =>
    acts.get(hook)!.data.subarray(t * d_in, (t + 1) * d_in)

  it.each([
    ['add', () => 4.5],
    ['clamp', (f: number) => 4.5 - f],
    ['scale', (f: number) => 0.5 * f],
    ['ablate', (f: number) => -f],
  ] as const)('%s moves the site written by the value at the site read', async (mode, shift) => {
    const { edits, reads: looks } = interventionEdits([
      { sae, latent: 2, mode, strength: 1.5, max_act: 3 },
    ])
    const { acts } = await model.forward(batch, { hooks: [reads, writes], edits, reads: looks })
    let n_active = 0
    for (let t = 1; t < ids.length; t++) {
      const f = latentValue(sae, 2, row(reads, plain.acts, t))
      if (f > 0) n_active++
      expect(row(reads, acts, t)).toEqual(row(reads, plain.acts, t))
      const expected = row(writes, plain.acts, t).map(
        (x, j) => x + shift(f) * direction(sae, 2)[j]!,
      )
      expectClose(row(writes, acts, t), expected, 1e-5)
    }
    expect(n_active).toBeGreaterThan(2)
    expect(row(writes, acts, 0)).toEqual(row(writes, plain.acts, 0))
  })

  it('are the same with a KV cache, where a pass sees the newest tokens only', async () => {
    const clamp = { sae, latent: 2, mode: 'clamp', strength: 1.5, max_act: 3 } as const
    const whole = await model.forward(padBatch([ids]), {
      ...interventionEdits([clamp]),
      logits: 'last',
    })
    const steering = interventionEdits([clamp])
    const cache = model.openCache(1)
    let last: Float32Array | undefined
    for (const part of [ids.slice(0, 4), ids.slice(4, 5), ids.slice(5)]) {
      const step = { ...steering, cache, logits: 'last' } as const
      last = (await model.forward(padBatch([part]), step)).logits
    }
    expectClose(last, whole.logits!, 1e-5)
  })

  it('that writes before it reads are refused where the value is needed', () => {
    const early: Sae = { ...sae, transcoder: { ...transcoder, hook_name_out: 'hook_embed' } }
    const at = { sae: early, latent: 2, strength: 1, max_act: 3 }
    for (const mode of ['clamp', 'scale', 'ablate'] as const) {
      expect(() => interventionEdits([{ ...at, mode }])).toThrow(
        'the transcoder writes hook_embed, which the pass reaches before blocks.2.ln2.hook_normalized',
      )
    }
    expect(interventionEdits([{ ...at, mode: 'add' }]).reads).toEqual([])
  })
})

it('the value of a TopK latent is the one that the dictionary computes', async () => {
  const d_sae = 11
  const threshold = new Float32Array(d_sae)
  const sae: Sae = { ...randomSae(hook, d_sae, 1, 0.05), architecture: 'topk', k: 3, threshold }
  let n_crowded_out = 0
  for (const x of await rows([])) {
    const acts = encode(sae, x)
    for (let i = 0; i < d_sae; i++) {
      const at = acts.index.indexOf(i)
      expect(latentValue(sae, i, x)).toBeCloseTo(at < 0 ? 0 : acts.value[at]!, 4)
      if (at < 0 && preAct(sae, i, x) > 0) n_crowded_out++
    }
  }
  expect(n_crowded_out).toBeGreaterThan(10)
})

/** One latent that reads and writes the difference between sea and office, at the middle of the stream. */
async function seaSae(): Promise<Sae> {
  const average = async (text: string): Promise<Float32Array> => {
    const { acts } = await model.forward(padBatch([model.tokenizer!.tokenize(text)]), {
      hooks: [hook],
    })
    const { data, seq_len } = acts.get(hook)!
    const sum = new Float32Array(d_in)
    data.forEach((x, i) => {
      if (i >= d_in) sum[i % d_in] = sum[i % d_in]! + x / (seq_len - 1)
    })
    return sum
  }
  const sea = await average(SEA)
  const office = await average(OFFICE)
  const towards = sea.map((x, j) => x - office[j]!)
  const norm = Math.sqrt(dot(towards, towards))
  const unit = towards.map((x) => x / norm)
  const bias = -(dot(sea, unit) + dot(office, unit)) / 2
  return {
    ...randomSae(hook, 1, 1, 0),
    W_enc: unit,
    W_dec: unit.slice(),
    b_enc: Float32Array.of(bias),
    threshold: Float32Array.of(0),
  }
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length

/** The latent's value at every token of a text but BOS, in the model as it is. */
async function values(sae: Sae, text: string): Promise<number[]> {
  const tokens = model.tokenizer!.tokenize(text)
  const { acts } = await model.forward(padBatch([tokens]), { hooks: [hook] })
  const { data } = acts.get(hook)!
  return Array.from({ length: tokens.length - 1 }, (_, t) =>
    latentValue(sae, 0, data.subarray((t + 1) * d_in, (t + 2) * d_in)),
  )
}

const SEA = 'The sea rose and the waves broke over the ship; sailors watched the water.'
const OFFICE = 'The committee was elected in 1998 and published its report on the law.'

describe('steer', async () => {
  const sae = await seaSae()
  const max_act = Math.max(...(await values(sae, SEA)))
  const run = (intervention: Partial<Intervention>, seed: number): Promise<SteerEvent[]> =>
    Array.fromAsync(
      steer(model, {
        prompt: 'Then',
        max_tokens: 10,
        temperature: 0.8,
        seed,
        interventions: [{ sae, latent: 0, mode: 'add', strength: 1, max_act, ...intervention }],
      }),
    )
  const texts = (events: SteerEvent[]) => {
    const last = events.at(-1)!
    if (last.type !== 'done') throw new Error('the last event is not done')
    return last
  }

  it('gives both sides in turn, then both texts', async () => {
    const events = await run({}, 1)
    const tokens = events.filter((event) => event.type === 'token')
    expect(tokens.slice(0, 4).map(({ side }) => side)).toEqual([
      'default',
      'steered',
      'default',
      'steered',
    ])
    for (const side of ['default', 'steered'] as const) {
      const own = tokens.filter((event) => event.side === side)
      expect(own.map(({ text }) => text).join('')).toBe(texts(events)[side])
    }
  })

  it('gives equal texts where the intervention does nothing: the sides share their random numbers', async () => {
    const done = texts(await run({ mode: 'scale', strength: 1 }, 2))
    expect(done.steered).toBe(done.default)
  })

  it('raises the mean activation of the steered latent in the text, over 20 seeds', async () => {
    const differences: number[] = []
    for (let seed = 0; seed < 20; seed++) {
      const done = texts(await run({}, seed))
      const [steered, plain] = [await values(sae, done.steered), await values(sae, done.default)]
      differences.push(mean(steered) - mean(plain))
    }
    const deviation = Math.sqrt(mean(differences.map((x) => (x - mean(differences)) ** 2)))
    // Three standard errors above none.
    expect(mean(differences)).toBeGreaterThan((3 * deviation) / Math.sqrt(20))
  })
})
