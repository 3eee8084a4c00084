import { describe, expect, it } from 'vitest'
import { fakeModel } from '../../test/fakeModel.ts'
import { encode, type Sae } from '../sae/index.ts'
import { contrastTexts } from './contrastTexts.ts'
import { decoderRow, nearestLatents } from './nearest.ts'
import { rankByText } from './rankByText.ts'
import type { SearchSite } from './sites.ts'

/** Component k of a site is 1 + t where the character is the k-th of its alphabet, else 0. */
const ALPHABETS = { 'blocks.0.hook_resid_pre': 'abc', 'blocks.0.hook_resid_post': 'xyza' } as const
const model = fakeModel(
  (hook, id, t, k) =>
    ALPHABETS[hook as keyof typeof ALPHABETS][k] === String.fromCharCode(id) || id === 2
      ? 1 + t
      : 0,
  { 'blocks.0.hook_resid_pre': 3, 'blocks.0.hook_resid_post': 4 },
)

/** Latents are the components, then one that decodes along (1, 1, 0, …) and never fires. */
function site(hook: keyof typeof ALPHABETS, max_act?: number[], density?: number[]): SearchSite {
  const d = ALPHABETS[hook].length
  const d_sae = d + 1
  const W_enc = new Float32Array(d * d_sae)
  const W_dec = new Float32Array(d_sae * d)
  for (let k = 0; k < d; k++) {
    W_enc[k * d_sae + k] = 1
    W_dec[k * d + k] = 1
  }
  W_dec[d * d] = Math.SQRT1_2
  W_dec[d * d + 1] = Math.SQRT1_2
  const sae: Sae = {
    architecture: 'jumprelu',
    hook_name: hook,
    d_in: d,
    d_sae,
    W_enc,
    b_enc: new Float32Array(d_sae),
    W_dec,
    b_dec: new Float32Array(d),
    threshold: new Float32Array(d_sae),
    metadata: {},
  }
  const measured = max_act && {
    max_act: Float32Array.from(max_act),
    density: Float32Array.from(density ?? max_act.map(() => 0.001)),
  }
  const runner = {
    sae,
    encode: async (x: Float32Array) => encode(sae, x),
    decode: async () => new Float32Array(),
    close: async () => {},
  }
  return {
    id: `s~${hook}~width_1~l0_1`,
    hook,
    open: async () => ({ runner, ...(measured ? { measured } : {}) }),
  }
}
const PRE = 'blocks.0.hook_resid_pre'
const POST = 'blocks.0.hook_resid_post'
const brief = (hits: readonly { hook: string; index: number }[]) =>
  hits.map(({ hook, index }) => `${hook === PRE ? 'pre' : 'post'}/${index}`)

const asked = { by: 'max', scale: 'act', max_density: 1, most: 10 } as const

describe('rankByText', () => {
  it('ranks over all sites by the largest activation, and says where it is; BOS is left out', async () => {
    const { hits, chosen, left_out, n_total } = await rankByText(model, [site(PRE), site(POST)], {
      ...asked,
      text: 'abxa',
    })
    expect(chosen).toEqual([1, 2, 3, 4])
    expect(left_out).toEqual(['1 special token: shown, not read'])
    expect(n_total).toBe(4)
    // BOS is at 0, so `a` at positions 1 and 4 activates by 2 and 5.
    expect(brief(hits)).toEqual(['pre/0', 'post/3', 'post/0', 'pre/1'])
    expect(hits[0]).toEqual({ sae: `s~${PRE}~width_1~l0_1`, hook: PRE, index: 0, act: 5, token: 4 })
  })

  it('takes the mean over the chosen tokens, those where it is off as 0', async () => {
    const { hits, chosen } = await rankByText(model, [site(PRE)], {
      ...asked,
      by: 'mean',
      text: 'abxa',
      tokens: [2, 0, 1],
    })
    expect(chosen).toEqual([1, 2])
    expect(hits.map(({ index, act }) => [index, act])).toEqual([
      [1, 1.5],
      [0, 1],
    ])
  })

  it('compares shares of maxima where they are known, and says where they are not', async () => {
    const { hits, left_out } = await rankByText(model, [site(PRE, [50, 3, 1, 1]), site(POST)], {
      ...asked,
      scale: 'share',
      text: 'abx',
    })
    expect(hits.map(({ index, strength }) => [index, strength])).toEqual([
      [1, 1],
      [0, 0.04],
    ])
    expect(left_out.join()).toContain(`${POST}: not indexed yet`)
  })

  it('leaves out dense latents and counts them', async () => {
    const { hits, left_out } = await rankByText(
      model,
      [site(PRE, [9, 9, 9, 9], [0.5, 0.01, 0.01, 0.01])],
      { ...asked, max_density: 0.1, text: 'abaa' },
    )
    expect(brief(hits)).toEqual(['pre/1'])
    expect(left_out).toContain('1 latent denser than 10 %')
  })

  it('refuses a token that is not there, and leaves out a site that does not open', async () => {
    await expect(
      rankByText(model, [site(PRE)], { ...asked, text: 'ab', tokens: [3] }),
    ).rejects.toThrow('token 3: the text has tokens 0 to 2')
    const broken = { ...site(POST), open: () => Promise.reject(new RangeError('W_dec is torn')) }
    const { hits, left_out } = await rankByText(model, [broken, site(PRE)], { ...asked, text: 'a' })
    expect(brief(hits)).toEqual(['pre/0'])
    expect(left_out).toContain(`${POST}: W_dec is torn`)
  })
})

describe('contrastTexts', () => {
  const contrast = { scale: 'act', max_density: 1, most: 10 } as const

  it('ranks both directions by the difference of means over tokens', async () => {
    const found = await contrastTexts(model, [site(PRE)], { ...contrast, a: ['a'], b: ['bc', 'b'] })
    expect(found.n_tokens).toEqual({ a: 1, b: 3 })
    expect(found.n_texts).toEqual({ a: 1, b: 2 })
    // Position 1 activates by 2, position 2 by 3.
    expect(found.more_in_a.map(({ index, difference }) => [index, difference])).toEqual([[0, 2]])
    expect(
      found.more_in_b.map(({ index, mean_b, difference }) => [index, mean_b, difference]),
    ).toEqual([
      [1, 4 / 3, -4 / 3],
      [2, 1, -1],
    ])
    expect(found.more_in_a[0]).not.toHaveProperty('standard_error')
    expect(found.left_out).toEqual(['3 special tokens: not read'])
  })

  it('takes the texts as what varies in the standard error, the tokens in the effect size', async () => {
    const { more_in_a } = await contrastTexts(model, [site(PRE)], {
      ...contrast,
      a: ['a', 'aa', 'xx'],
      b: ['x', 'xx'],
    })
    const [hit] = more_in_a
    // Sums of the texts of A: 2, 5, 0 over 1, 2, 2 tokens.
    const mean = 7 / 5
    const scatter = (2 - mean) ** 2 + (5 - 2 * mean) ** 2 + (0 - 2 * mean) ** 2
    expect(hit!.mean_a).toBeCloseTo(mean, 12)
    expect(hit!.standard_error).toBeCloseTo(Math.sqrt((scatter * 3) / 2) / 5, 12)
    const variance = (4 + 4 + 9) / 5 - mean ** 2
    expect(hit!.effect_size).toBeCloseTo(mean / Math.sqrt(variance / 2), 12)
  })

  it('refuses a side without a token to read', async () => {
    await expect(
      contrastTexts(model, [site(PRE)], { ...contrast, a: [''], b: ['b'] }),
    ).rejects.toThrow('texts A have no token to read')
  })
})

describe('nearestLatents', () => {
  it('ranks by cosine across sites of the width, and says which have another', async () => {
    const { hits, n_total, left_out } = await nearestLatents(
      [site(PRE), site(POST)],
      Float32Array.of(0, 3, 0.3),
      { most: 2 },
    )
    expect(n_total).toBe(4)
    expect(brief(hits)).toEqual(['pre/1', 'pre/3'])
    expect(hits[0]!.cosine).toBeCloseTo(3 / Math.hypot(3, 0.3), 6)
    expect(left_out).toEqual(['1 SAE of width 4, not 3'])
  })

  it('finds what is like a latent, and not the latent itself', async () => {
    const pre = site(PRE)
    const { runner } = await pre.open()
    const { hits } = await nearestLatents([pre], decoderRow(runner.sae, 3), {
      most: 2,
      like: { sae: pre.id, hook: PRE, index: 3 },
    })
    expect(hits.map(({ index }) => index)).toEqual([0, 1])
    expect(hits[0]!.cosine).toBeCloseTo(Math.SQRT1_2, 6)
    expect(() => decoderRow(runner.sae, 4)).toThrow('has latents 0 to 3')
  })

  it('refuses vectors of no direction or of no site', async () => {
    await expect(nearestLatents([site(PRE)], new Float32Array(3), { most: 1 })).rejects.toThrow(
      'expected a finite one that is not 0',
    )
    await expect(nearestLatents([site(PRE)], Float32Array.of(1), { most: 1 })).rejects.toThrow(
      'has 1 numbers, expected 3 as the sites have',
    )
  })
})
