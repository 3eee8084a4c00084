import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { HookName } from '../model/index.ts'
import { loadPublishedSae } from './disk.ts'
import {
  checkFits,
  checkShapes,
  decode,
  encode,
  openRunner,
  outputSite,
  parseHookName,
  type Sae,
  type SparseActs,
} from './index.ts'
import { selectTopk, topk } from './topk.ts'

/** Numbers of standard deviation about 1, from a seed. */
function noise(length: number, seed: number, scale = 1): Float32Array {
  let state = seed
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state / 2 ** 31 - 1) * 1.7 * scale
  })
}

function randomSae(d_in: number, d_sae: number, threshold: number): Sae {
  return {
    architecture: 'jumprelu',
    hook_name: 'blocks.3.hook_resid_post',
    d_in,
    d_sae,
    W_enc: noise(d_in * d_sae, 1),
    b_enc: noise(d_sae, 2, 0.3),
    W_dec: noise(d_sae * d_in, 3),
    b_dec: noise(d_in, 4),
    threshold: noise(d_sae, 5, 0.2).map((value) => threshold + Math.abs(value)),
    metadata: {},
  }
}

/** W_dec [d_sae, d_out] and b_dec [d_out]. */
const decoder = (d_sae: number, d_out: number) => ({
  W_dec: noise(d_sae * d_out, 3),
  b_dec: noise(d_out, 4),
})

function randomTopk(d_in: number, d_sae: number, k: number, weights: Partial<Sae> = {}): Sae {
  const threshold = new Float32Array(d_sae)
  return { ...randomSae(d_in, d_sae, 0), architecture: 'topk', k, threshold, ...weights }
}

const close = (values: ArrayLike<number>, digits = 5) =>
  Array.from(values, (value) => expect.closeTo(value, digits))

/** [n, d_sae] */
function toDense(acts: SparseActs): number[][] {
  return Array.from({ length: acts.n }, (_, row) => {
    const dense = new Array<number>(acts.d_sae).fill(0)
    for (let entry = acts.row_start[row]!; entry < acts.row_start[row + 1]!; entry++) {
      dense[acts.index[entry]!] = acts.value[entry]!
    }
    return dense
  })
}

describe('JumpReLU', () => {
  const sae: Sae = {
    ...randomSae(2, 3, 0),
    W_enc: Float32Array.of(1, 0, 2, 0, 1, -1),
    b_enc: Float32Array.of(0, 0.5, 0),
    W_dec: Float32Array.of(1, 0, 0, 1, 0.6, 0.8),
    b_dec: Float32Array.of(0.25, -1),
    threshold: Float32Array.of(1, 0.5, 0),
  }

  it('keeps a pre-activation that is above its threshold and drops one that equals it', () => {
    // pre_acts of [1, 0]: 1 (= its threshold), 0.5 (= its threshold), 2; of [2, 3]: 2, 3.5, 1
    const acts = encode(sae, Float32Array.of(1, 0, 2, 3))
    expect(toDense(acts)).toEqual([
      [0, 0, 2],
      [2, 3.5, 1],
    ])
    expect(acts.row_start).toEqual(Int32Array.of(0, 1, 4))
  })

  it('decodes active latents and adds the bias', () => {
    const recon = decode(sae, encode(sae, Float32Array.of(1, 0, 2, 3)))
    expect([...recon]).toEqual(
      Array.from(Float32Array.of(1.45, 0.6, 2.85, 3.3), (value) => expect.closeTo(value, 5)),
    )
  })

  it('refuses activations of another width, and latents of another SAE', () => {
    expect(() => encode(sae, new Float32Array(5))).toThrow(
      'encode: x has 5 numbers, expected a multiple of d_in 2 (SAE at blocks.3.hook_resid_post). Was this SAE trained on another model?',
    )
    expect(() => decode(randomSae(2, 5, 0), encode(sae, new Float32Array(2)))).toThrow(
      'decode: acts have 3 latents, expected d_sae 5',
    )
  })

  it('encodes and decodes as plain Python does', async () => {
    const folder = resolve(import.meta.dirname, '../../test/fixtures/gemma-scope-npz')
    const expected = JSON.parse(readFileSync(resolve(folder, 'expected.json'), 'utf8')) as {
      x: number[][]
      acts: number[][]
      recon: number[][]
    }
    for (const file of ['stored.npz', 'deflated.npz']) {
      const { sae: loaded } = await loadPublishedSae(resolve(folder, file), {
        sites: { hook_name: 'blocks.1.hook_mlp_out' },
      })
      const acts = encode(loaded, Float32Array.from(expected.x.flat()))
      expect(toDense(acts).flat()).toEqual(
        expected.acts.flat().map((value) => expect.closeTo(value, 5)),
      )
      expect([...decode(loaded, acts)]).toEqual(
        expected.recon.flat().map((value) => expect.closeTo(value, 5)),
      )
    }
  })
})

describe('TopK', () => {
  const pre_acts = Float32Array.of(3, -1, 2, 5, 2, 0, 2.5)

  it('keeps the k largest pre-activations above 0, and all that tie with the last', () => {
    expect(topk(pre_acts, 2)).toEqual([0, 3])
    expect(topk(pre_acts, 4)).toEqual([0, 2, 3, 4, 6])
    expect(topk(pre_acts, 7)).toEqual([0, 2, 3, 4, 6])
    expect(topk(Float32Array.of(-1, 0, -2), 2)).toEqual([])
  })

  it('is selected without sorting as by sorting, for any k and many ties', () => {
    const d_sae = 23
    const [index, value] = [new Int32Array(d_sae), new Float32Array(d_sae)]
    for (let seed = 1; seed <= 40; seed++) {
      const steps = seed % 2 === 0 ? 1e6 : 3 // three steps a unit: nearly every number has a twin
      const row = noise(d_sae, seed).map((value) => Math.round(value * steps) / steps)
      for (let k = 1; k <= d_sae; k++) {
        const n = selectTopk(row, new Float32Array(k), index, value, 0)
        expect([...index.subarray(0, n)]).toEqual(topk(row, k))
        expect([...value.subarray(0, n)]).toEqual(topk(row, k).map((latent) => row[latent]))
      }
    }
  })

  it('encodes a token to its largest latents', () => {
    const sae = randomTopk(2, 3, 1, {
      W_enc: Float32Array.of(1, 0, 2, 0, 1, -1),
      b_enc: Float32Array.of(0, 0.5, 0),
    })
    // pre_acts of [1, 0]: 1, 0.5, 2; of [2, 3]: 2, 3.5, 1; of [-1, -1]: -1, -0.5, -1
    expect(toDense(encode(sae, Float32Array.of(1, 0, 2, 3, -1, -1)))).toEqual([
      [0, 0, 2],
      [0, 3.5, 0],
      [0, 0, 0],
    ])
  })
})

describe('a transcoder', () => {
  // pre_acts of [1, 2] are 1, 2; row 0 of W_dec is [1, 0, 0], row 1 [0, 0.6, 0.8]
  const sae: Sae = {
    ...randomSae(2, 2, 0),
    hook_name: 'blocks.3.hook_resid_mid',
    W_enc: Float32Array.of(1, 0, 0, 1),
    b_enc: Float32Array.of(0, 0),
    W_dec: Float32Array.of(1, 0, 0, 0, 0.6, 0.8),
    b_dec: Float32Array.of(0.25, 0.5, -1),
    threshold: Float32Array.of(0.5, 0.5),
    transcoder: { hook_name_out: 'blocks.3.hook_mlp_out', d_out: 3 },
  }
  const W_skip = Float32Array.of(1, 0, 10, 0, 2, 100)
  const skip: Sae = { ...sae, transcoder: { ...sae.transcoder!, W_skip } }
  const x = Float32Array.of(1, 2)

  it('decodes into the space it writes', () => {
    expect(outputSite(sae)).toEqual({ hook: 'blocks.3.hook_mlp_out', d: 3 })
    expect([...decode(sae, encode(sae, x))]).toEqual(close([1.25, 1.7, 0.6]))
  })

  it('adds x W_skip, and refuses to decode without x', () => {
    const acts = encode(skip, x)
    expect([...decode(skip, acts, x)]).toEqual(close([2.25, 5.7, 210.6], 4))
    expect(() => decode(skip, acts)).toThrow(
      'decode: x has no numbers, expected [1, 2]: this transcoder has W_skip',
    )
    expect(() => decode(skip, acts, new Float32Array(4))).toThrow(RangeError)
  })

  it('is refused by a model that lacks the site it writes, or has it with another width', () => {
    const model = {
      name: 'thimble-5m',
      hooks: ['blocks.3.hook_resid_mid', 'blocks.3.hook_mlp_out'] as const,
      width: (hook: string) => (hook.endsWith('mlp_out') ? 3 : 2),
    }
    expect(() => checkFits(sae, model)).not.toThrow()
    const written = (hook_name_out: HookName, d_out: number): Sae => ({
      ...sae,
      transcoder: { hook_name_out, d_out },
    })
    expect(() => checkFits(written('blocks.4.hook_mlp_out', 3), model)).toThrow(
      'The SAE writes blocks.4.hook_mlp_out, which model thimble-5m does not have',
    )
    expect(() => checkFits(written('blocks.3.hook_mlp_out', 2), model)).toThrow(
      'The SAE at blocks.3.hook_mlp_out has d_out 2, but model thimble-5m has width 3 there',
    )
  })
})

describe('checkShapes', () => {
  it('holds k and the threshold to the architecture', () => {
    const jumprelu = randomSae(3, 5, 1)
    const { k: _, ...unranked } = randomTopk(3, 5, 2)
    const refused: [Sae, string][] = [
      [{ ...jumprelu, k: 2 }, 's: k is 2, expected none for architecture jumprelu'],
      [unranked, 's: k is undefined, expected an integer from 1 to d_sae 5'],
      [randomTopk(3, 5, 6), 's: k is 6, expected an integer from 1 to d_sae 5'],
      [randomTopk(3, 5, 2, { threshold: jumprelu.threshold }), 's: threshold holds 1.'],
    ]
    for (const [sae, message] of refused) expect(() => checkShapes(sae, 's')).toThrow(message)
    expect(() => checkShapes(randomTopk(3, 5, 5), 's')).not.toThrow()
  })

  it('holds the decoder to the width written', () => {
    const transcoder = { hook_name_out: 'blocks.3.hook_mlp_out', d_out: 4 } as const
    const sae: Sae = { ...randomSae(3, 5, 1), transcoder }
    expect(() => checkShapes(sae, 's')).toThrow('s: W_dec has 15 numbers, expected [5, 4]')
    const W_skip = noise(9, 1)
    const skip: Sae = { ...sae, ...decoder(5, 4), transcoder: { ...transcoder, W_skip } }
    expect(() => checkShapes(skip, 's')).toThrow('s: W_skip has 9 numbers, expected [3, 4]')
  })
})

describe('the runner', () => {
  const transcoder = { hook_name_out: 'blocks.3.hook_mlp_out', d_out: 9 } as const
  const cases: [string, Sae, number][] = [
    ['a JumpReLU SAE', randomSae(7, 13, 1), 5],
    ['more rows than one chunk', randomSae(3, 5, 0.5), 1500],
    ['no rows', randomSae(11, 29, 1), 0],
    ['nothing active', randomSae(5, 3, 100), 17],
    ['a TopK SAE', randomTopk(7, 31, 4), 1500],
    ['a transcoder', { ...randomSae(7, 13, 1), ...decoder(13, 9), transcoder }, 6],
    ['a TopK transcoder with a skip', { ...randomTopk(7, 13, 3), ...decoder(13, 9), transcoder: { ...transcoder, W_skip: noise(63, 6) } }, 1500],
    ['a skip and no rows', { ...randomSae(7, 13, 1), ...decoder(13, 9), transcoder: { ...transcoder, W_skip: noise(63, 6) } }, 0],
  ] // biome-ignore format: a table

  for (const [name, sae, n] of cases) {
    it(`equals the slow twin: ${name}`, async () => {
      const x = noise(n * sae.d_in, 9)
      const runner = await openRunner(sae, { threads: 1 })
      const [fast, slow] = [await runner.encode(x), encode(sae, x)]
      expect(fast.row_start).toEqual(slow.row_start)
      expect(fast.index).toEqual(slow.index)
      expect([...fast.value]).toEqual(close(slow.value, 4))
      expect([...(await runner.decode(fast, x))]).toEqual(close(decode(sae, slow, x), 3))
      await runner.close()
    })
  }

  it('refuses activations of another width', async () => {
    const runner = await openRunner(randomSae(3, 5, 1), { threads: 1 })
    await expect(runner.encode(new Float32Array(4))).rejects.toThrow(RangeError)
    await runner.close()
  })
})

describe('checkFits', () => {
  const model = {
    name: 'thimble-5m',
    hooks: ['blocks.0.hook_resid_post', 'blocks.3.hook_resid_post'] as const,
    width: () => 256,
  }

  it('refuses an SAE of another width or for a site the model lacks', () => {
    const sae = { ...randomSae(7, 13, 1), metadata: { model_name: 'gemma-2-2b' } }
    expect(() => checkFits(sae, model)).toThrow(
      'The SAE at blocks.3.hook_resid_post has d_in 7, but model thimble-5m has width 256 there. Was it trained on another model (its metadata names gemma-2-2b)?',
    )
    expect(() => checkFits({ ...sae, hook_name: 'blocks.25.hook_resid_post' }, model)).toThrow(
      'The SAE reads blocks.25.hook_resid_post, which model thimble-5m does not have (2 sites, the last blocks.3.hook_resid_post)',
    )
    expect(() => checkFits(randomSae(256, 3, 1), model)).not.toThrow()
  })
})

describe('parseHookName', () => {
  it('knows the sites of a block and those outside, and nothing else', () => {
    for (const name of [
      'hook_embed',
      'blocks.0.attn.hook_z',
      'blocks.41.hook_resid_mid',
      'ln_final.hook_normalized',
    ]) {
      expect(parseHookName(name, 'cfg.json')).toBe(name)
    }
    for (const name of [
      'blocks.03.hook_z',
      'blocks.1.hook_embed',
      'blocks.x.hook_mlp_out',
      'hook_resid_post',
      '',
      7,
    ]) {
      expect(() => parseHookName(name, 'cfg.json')).toThrow(
        `cfg.json: hook_name is ${JSON.stringify(name)}`,
      )
    }
  })
})
