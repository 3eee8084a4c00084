import { describe, expect, it } from 'vitest'
import {
  addLosses,
  addToFvu,
  countActive,
  dead,
  densityHistogram,
  fvu,
  fvuSums,
  l0,
  meanLoss,
  spliceEdit,
} from './index.ts'

describe('L0, density and dead latents', () => {
  // Three tokens, five latents: token 0 fires 1 and 4, token 1 nothing, token 2 fires 1.
  const acts = {
    n: 3,
    d_sae: 5,
    row_start: Int32Array.of(0, 2, 2, 3),
    index: Int32Array.of(1, 4, 1),
    value: Float32Array.of(0.5, 2, 7),
  }
  const n_active = new Uint32Array(5)
  countActive(acts, n_active)

  it('follow from how often each latent fired', () => {
    expect([...n_active]).toEqual([0, 2, 0, 0, 1])
    expect(l0(n_active, 3)).toBe(1)
    expect(dead(n_active)).toBe(0.6)
  })

  it('spread over quarter decades from one token to all, dead latents in none', () => {
    // n_tokens 1000: log10 densities -3, -2.699, -1, 0
    const { edges, counts } = densityHistogram([0, 1, 2, 100, 1000], 1000)
    expect(edges).toHaveLength(13)
    expect([edges[0], edges[1], edges[8], edges[12]]).toEqual([-3, -2.75, -1, 0])
    expect(counts).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1])
    expect(densityHistogram([1, 0], 1)).toEqual({ edges: [-0.25, 0], counts: [1] })
  })
})

describe('FVU', () => {
  // x = (1,0), (3,0), (2,6): mean (2,2), squared distances 5 + 5 + 16 = 26.
  const x = Float32Array.of(1, 0, 3, 0, 2, 6)
  const recon = Float32Array.of(1, 1, 3, 0, 0, 3) // errors 1 + 0 + 13 = 14

  it('is the ratio of summed errors to the summed squares about the mean', () => {
    const sums = fvuSums(2)
    addToFvu(sums, x, recon)
    expect(fvu(sums)).toBeCloseTo(14 / 26, 12)
  })

  it('is the same whichever way the tokens are batched', () => {
    const sums = fvuSums(2)
    addToFvu(sums, x.subarray(0, 2), recon.subarray(0, 2))
    addToFvu(sums, x.subarray(2), recon.subarray(2))
    expect(fvu(sums)).toBeCloseTo(14 / 26, 12)
  })

  it('keeps its digits where the mean is far larger than the spread', () => {
    const sums = fvuSums(2)
    const shift = (values: Float32Array) => values.map((value) => value + 2 ** 20)
    addToFvu(sums, shift(x), shift(recon))
    expect(fvu(sums)).toBeCloseTo(14 / 26, 12)
  })

  it('is absent where the activations do not vary', () => {
    const sums = fvuSums(2)
    addToFvu(sums, Float32Array.of(1, 2, 1, 2), new Float32Array(4))
    expect(fvu(sums)).toBeUndefined()
  })
})

describe('cross-entropy', () => {
  it('averages the losses of the counted tokens, the one after BOS included', () => {
    // Two rows of 4 columns: losses of predicting columns 1, 2, 3. Row 1 ends after column 1.
    const losses = Float32Array.of(1, 2, 3, 10, NaN, NaN)
    const total = { sum: 0, n_targets: 0 }
    addLosses(total, losses, Int32Array.of(1, 3, 5), 4)
    expect(total).toEqual({ sum: 14, n_targets: 3 })
    expect(meanLoss(total)).toBeCloseTo(14 / 3, 12)
  })

  it('passes over a token that nothing comes before, and is absent without targets', () => {
    const total = { sum: 0, n_targets: 0 }
    addLosses(total, Float32Array.of(1, 2), Int32Array.of(0), 3)
    expect(meanLoss(total)).toBeUndefined()
  })
})

describe('splicing', () => {
  it('replaces the named rows and leaves the others alone', async () => {
    const data = Float32Array.of(1, 1, 2, 2, 3, 3, 4, 4)
    const site = {
      hook: 'hook_embed',
      data,
      n_seqs: 2,
      seq_len: 2,
      d: 2,
      start: 0,
      lengths: Int32Array.of(2, 2),
    } as const
    const edit = spliceEdit('hook_embed', Int32Array.of(1, 3), Float32Array.of(7, 8, 9, 10))
    await edit.apply(site)
    expect([...data]).toEqual([1, 1, 7, 8, 3, 3, 9, 10])
    const wrong = spliceEdit('hook_embed', Int32Array.of(1), new Float32Array(3))
    expect(() => wrong.apply(site)).toThrow('3 values for 1 rows at hook_embed, expected 2')
  })
})
