import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/golden.ts'
import { randomSae } from '../../test/handmadeSaes.ts'
import { type HookName, openModel, openRandom, padBatch } from '../model/index.ts'
import type { Sae } from '../sae/index.ts'
import { encode } from '../sae/index.ts'
import { type Intervention, interventionEdits, latentValue, promptLayout } from './interventions.ts'

const model = await openModel('thimble-5m', { threads: 1 })
afterAll(() => model.close())
const hook: HookName = 'blocks.3.hook_resid_post'
const d_in = model.config.d_model

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const flat = (rows: readonly Float32Array[]): Float32Array =>
  Float32Array.from(rows.flatMap((row) => Array.from(row)))
const column = (sae: Sae, i: number): Float32Array =>
  Float32Array.from({ length: d_in }, (_, j) => sae.W_enc[j * sae.d_sae + i]!)
const direction = (sae: Sae, i: number): Float32Array => sae.W_dec.slice(i * d_in, (i + 1) * d_in)
const preAct = (sae: Sae, i: number, x: Float32Array): number =>
  dot(x, column(sae, i)) + sae.b_enc[i]!

const ids = model.tokenizer!.tokenize('The keeper climbed the stairs to light the lamp.')
const batch = padBatch([ids, ids.slice(0, 5)])
const layout = promptLayout(model, ids)

/** Rows of the hook with and without interventions, as [row, position] pairs of vectors. */
async function rows(interventions: Intervention[]): Promise<Float32Array[]> {
  const steering = interventionEdits(interventions, layout)
  const { acts } = await model.forward(batch, { hooks: [hook], ...steering })
  const { data } = acts.get(hook)!
  return Array.from({ length: data.length / d_in }, (_, i) => data.slice(i * d_in, (i + 1) * d_in))
}

describe('interventionEdits', async () => {
  const sae = randomSae(hook, d_in, { d_sae: 7, align: 1, noise: 0.02 })
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
    const tied = randomSae(hook, d_in, { d_sae: 7, align: 1, noise: 0 })
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

  it.each(['add', 'clamp', 'scale'] as const)(
    'conditional %s changes tokens where the latent fires, as without the condition, and no others',
    async (mode) => {
      const condition = { ...at(4, mode, 2), conditional: true }
      const [after, anyway] = [await rows([condition]), await rows([at(4, mode, 2)])]
      const fires = (t: number) => latentValue(sae, 4, before[t]!) > 0
      const tokens = Array.from({ length: ids.length - 1 }, (_, t) => t + 1)
      expect(new Set(tokens.map(fires)).size).toBe(2)
      for (const t of tokens) expect(after[t]).toEqual(fires(t) ? anyway[t] : before[t])
    },
  )

  it('keeps to its positions: prompt, answer, or all', async () => {
    const n_prompt = 4
    const all = await rows([at(2, 'add', 1)])
    for (const positions of ['prompt', 'answer', 'all'] as const) {
      const steering = interventionEdits([{ ...at(2, 'add', 1), positions }], {
        n_prompt,
        bos: true,
      })
      const { acts } = await model.forward(padBatch([ids]), { hooks: [hook], ...steering })
      const { data } = acts.get(hook)!
      for (let t = 1; t < ids.length; t++) {
        const is_in = positions === 'all' || (positions === 'prompt') === t < n_prompt
        const row = data.slice(t * d_in, (t + 1) * d_in)
        expect(row).toEqual(is_in ? all[t] : before[t])
      }
    }
  })

  it('of a chat keeps to who says a token, in all turns, and leaves the frame alone unless asked', async () => {
    const kinds = ['frame', 'frame', 'prompt', 'answer', 'frame', 'prompt', 'frame'] as const
    const chat = { n_prompt: kinds.length, bos: true, kinds }
    const all = await rows([at(2, 'add', 1)])
    for (const positions of ['prompt', 'answer', 'all'] as const)
      for (const frame of [false, true]) {
        const steering = interventionEdits([{ ...at(2, 'add', 1), positions, frame }], chat)
        const { acts } = await model.forward(padBatch([ids]), { hooks: [hook], ...steering })
        const { data } = acts.get(hook)!
        for (let t = 0; t < ids.length; t++) {
          const kind = kinds[t] ?? 'answer'
          const is_said = positions === 'all' ? kind !== 'frame' : kind === positions
          const is_in = is_said || (kind === 'frame' && frame && positions !== 'answer')
          const row = data.slice(t * d_in, (t + 1) * d_in)
          expect(row, `${positions} ${frame} ${t}`).toEqual(is_in ? all[t] : before[t])
        }
      }
  })

  it('refuses to guess which tokens of a chat are its frame', async () => {
    const chat = { n_prompt: 6, bos: true, kinds: 'unknown' } as const
    const refused = (part: Partial<Intervention>) =>
      expect(() => interventionEdits([{ ...at(2, 'add', 1), ...part }], chat)).toThrow(
        'which tokens are its own is not known',
      )
    refused({})
    refused({ positions: 'answer' })
    refused({ positions: 'prompt', frame: true })
    expect(interventionEdits([{ ...at(2, 'add', 1), frame: true }], chat).edits).toHaveLength(1)
  })

  it('counts positions from the beginning of the text where a cache holds it', async () => {
    const answer = { ...at(2, 'add', 1), positions: 'answer' } as const
    const steering = interventionEdits([answer], { n_prompt: 4, bos: true })
    const cache = model.openCache(1)
    const parts: Float32Array[] = []
    for (const part of [ids.slice(0, 3), ids.slice(3, 5), ids.slice(5)]) {
      const { acts } = await model.forward(padBatch([part]), {
        hooks: [hook],
        cache,
        logits: 'last',
        ...steering,
      })
      parts.push(acts.get(hook)!.data)
    }
    const cached = parts.flatMap((data) => Array.from(data))
    const { acts } = await model.forward(padBatch([ids]), { hooks: [hook], ...steering })
    expectClose(Float32Array.from(cached), acts.get(hook)!.data, 1e-5)
    expectClose(Float32Array.from(cached).subarray(0, 4 * d_in), flat(before.slice(0, 4)), 1e-5)
  })

  it('changes position 0 where it holds no BOS', async () => {
    const text = ids.slice(1)
    expect(promptLayout(model, ids)).toEqual({ n_prompt: ids.length, bos: true })
    expect(promptLayout(model, text)).toEqual({ n_prompt: text.length, bos: false })
    const read = async (edits: Partial<ReturnType<typeof interventionEdits>>) =>
      (await model.forward(padBatch([text]), { hooks: [hook], ...edits })).acts.get(hook)!.data
    const plain = await read({})
    const after = await read(interventionEdits([at(0, 'add', 9)], promptLayout(model, text)))
    const expected = plain.slice(0, d_in).map((x, j) => x + 27 * direction(sae, 0)[j]!)
    expectClose(after.subarray(0, d_in), expected, 1e-5)
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
    expect(() => interventionEdits([at(7, 'ablate', 0)], layout)).toThrow(
      'latent 7, expected 0 to 6',
    )
    expect(() => interventionEdits([{ ...at(1, 'add', 1), max_act: 0 }], layout)).toThrow(
      'never active',
    )
    expect(() => interventionEdits([at(1, 'scale', Number.NaN)], layout)).toThrow('strength is NaN')
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
  const sae: Sae = { ...randomSae(reads, d_in, { d_sae: 7, align: 1, noise: 0.05 }), transcoder }
  const plain = await model.forward(batch, { hooks: [reads, writes] })
  const row = (hook: HookName, acts: typeof plain.acts, t: number) =>
    acts.get(hook)!.data.subarray(t * d_in, (t + 1) * d_in)

  it.each([
    ['add', () => 4.5],
    ['clamp', (f: number) => 4.5 - f],
    ['scale', (f: number) => 0.5 * f],
    ['ablate', (f: number) => -f],
  ] as const)('%s moves the site written by the value at the site read', async (mode, shift) => {
    const { edits, reads: looks } = interventionEdits(
      [{ sae, latent: 2, mode, strength: 1.5, max_act: 3 }],
      layout,
    )
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
      ...interventionEdits([clamp], layout),
      logits: 'last',
    })
    const steering = interventionEdits([clamp], layout)
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
      expect(() => interventionEdits([{ ...at, mode }], layout)).toThrow(
        'the transcoder writes hook_embed, which the pass reaches before blocks.2.ln2.hook_normalized',
      )
    }
    expect(() => interventionEdits([{ ...at, mode: 'add', conditional: true }], layout)).toThrow(
      'not known in time for add',
    )
    expect(interventionEdits([{ ...at, mode: 'add' }], layout).reads).toEqual([])
  })
})

it('the value of a TopK latent is the one that the dictionary computes', async () => {
  const d_sae = 11
  const threshold = new Float32Array(d_sae)
  const sae: Sae = {
    ...randomSae(hook, d_in, { d_sae: d_sae, align: 1, noise: 0.05 }),
    architecture: 'topk',
    k: 3,
    threshold,
  }
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
