import { describe, expect, it } from 'vitest'
import {
  addLosses,
  addToBias,
  addToFvu,
  addToRatio,
  type Bins,
  biasSums,
  binRuns,
  binStart,
  byPosition,
  ceLossRecovered,
  countActive,
  dead,
  deadWindows,
  densityHistogram,
  type FvuSums,
  fvu,
  fvuSums,
  type LossSum,
  l0,
  l2Ratio,
  lossSum,
  meanLoss,
  mergeFvu,
  mergeLosses,
  neverFired,
  noteFirst,
  openReadout,
  positionBin,
  ratioSum,
  reconstructionBias,
  spliceEdit,
  targetsAmong,
  uniformity,
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

  it('follow from how often each latent fired', () => {
    const n_active = new Uint32Array(5)
    countActive(acts, n_active)
    expect([...n_active]).toEqual([0, 2, 0, 0, 1])
    expect(l0(n_active, 3)).toBe(1)
  })

  it('count as dead what fired on none of the first tokens, batch after batch', () => {
    const first = neverFired(5)
    const later = { ...acts, n: 1, row_start: Int32Array.of(0, 2), index: Int32Array.of(2, 4) }
    noteFirst(acts, first, 0)
    noteFirst(later, first, 3) // token 3 fires 2 and 4
    expect([...first]).toEqual([Infinity, 0, 3, Infinity, 0])
    expect(dead(first, 3)).toBe(0.6)
    expect(dead(first, 4)).toBe(0.4)
    expect(dead(first, 0)).toBe(1)
    expect(deadWindows(20_000)).toEqual([1000, 10_000, 20_000])
    expect(deadWindows(1000)).toEqual([1000])
    expect(deadWindows(37)).toEqual([37])
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

// x = (1,0), (3,0), (2,6): mean (2,2), squared distances 5 + 5 + 16 = 26.
const x = Float32Array.of(1, 0, 3, 0, 2, 6)
const recon = Float32Array.of(1, 1, 3, 0, 0, 3) // errors 1 + 0 + 13 = 14

describe('FVU', () => {
  const sumsOf = (x: Float32Array, recon: Float32Array, from?: number, to?: number) => {
    const sums = fvuSums(x.slice(0, 2))
    addToFvu(sums, x, recon, from, to)
    return sums
  }

  it('is the ratio of summed errors to the summed squares about the mean', () => {
    expect(fvu(sumsOf(x, recon))).toBeCloseTo(14 / 26, 12)
  })

  it('is the same whichever way the tokens are batched', () => {
    const parts = [sumsOf(x, recon, 0, 1), undefined, sumsOf(x, recon, 1, 3)]
    expect(fvu(mergeFvu(parts))).toBeCloseTo(14 / 26, 12)
  })

  it('of some tokens is about the mean of all', () => {
    const whole = sumsOf(x, recon)
    expect(fvu(sumsOf(x, recon, 0, 1), whole)).toBeCloseTo(1 / 5, 12)
    expect(fvu(sumsOf(x, recon, 1, 3), whole)).toBeCloseTo(13 / 21, 12)
  })

  it('keeps its digits where the mean is far larger than the spread', () => {
    const shift = (values: Float32Array) => values.map((value) => value + 2 ** 20)
    expect(fvu(sumsOf(shift(x), shift(recon)))).toBeCloseTo(14 / 26, 12)
  })

  it('is absent where the activations do not vary', () => {
    expect(fvu(sumsOf(Float32Array.of(1, 2, 1, 2), new Float32Array(4)))).toBeUndefined()
  })
})

describe('shrinkage', () => {
  it('as L2 ratio is the mean ratio of norms, tokens of norm zero left out', () => {
    const total = ratioSum()
    // Norms 5, 0, 2 against 10, 1, 1.
    addToRatio(total, Float32Array.of(3, 4, 0, 0, 0, 2), Float32Array.of(6, 8, 0, 1, 1, 0), 2)
    expect(l2Ratio(total)).toBe((2 + 0.5) / 2)
    expect(l2Ratio(ratioSum())).toBeUndefined()
  })

  it('as relative bias is the reconstruction over its best multiple', () => {
    const sums = biasSums()
    addToBias(sums, x.subarray(0, 2), recon.subarray(0, 2))
    addToBias(sums, x.subarray(2), recon.subarray(2))
    expect(reconstructionBias(sums)).toBeCloseTo((2 + 9 + 9) / (1 + 9 + 18), 12)
    const halved = biasSums()
    addToBias(
      halved,
      x,
      x.map((value) => value / 2),
    )
    expect(reconstructionBias(halved)).toBe(0.5)
    expect(reconstructionBias(biasSums())).toBeUndefined()
  })
})

describe('targets and losses', () => {
  // Two rows of 4 columns; row 1 ends after column 1.
  const batch = {
    ids: Int32Array.of(2, 11, 12, 13, 2, 15, 0, 0),
    lengths: Int32Array.of(4, 2),
    n_seqs: 2,
    seq_len: 4,
  }

  it('are the counted tokens that have one before them, the one after BOS included', () => {
    const { from, id, position } = targetsAmong(batch, Int32Array.of(0, 1, 3, 5))
    expect([...from]).toEqual([0, 2, 4])
    expect([...id]).toEqual([11, 13, 15])
    expect([...position]).toEqual([1, 3, 1])
  })

  it('are averaged over targets, and absent without any', () => {
    const total = lossSum()
    addLosses(total, Float32Array.of(1, 3))
    addLosses(total, Float32Array.of(10))
    expect(total).toEqual({ sum: 14, n_targets: 3 })
    expect(meanLoss(total)).toBeCloseTo(14 / 3, 12)
    expect(mergeLosses([total, undefined, { sum: 1, n_targets: 2 }])).toEqual({
      sum: 15,
      n_targets: 5,
    })
    expect(meanLoss(lossSum())).toBeUndefined()
  })

  it('are recovered in part between the site set to zero and left alone', () => {
    expect(ceLossRecovered({ zero: 8, spliced: 3.5, plain: 3 })).toBe(0.9)
    expect(ceLossRecovered({ zero: 3, spliced: 4, plain: 3 })).toBeUndefined()
  })
})

describe('positions', () => {
  it('fall into two bins an octave', () => {
    const starts = Array.from({ length: 12 }, (_, bin) => binStart(bin))
    expect(starts).toEqual([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48])
    const bins = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 23, 24, 47, 48].map(positionBin)
    expect(bins).toEqual([0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 10, 11])
    for (let position = 0; position < 5000; position++) {
      const bin = positionBin(position)
      expect(binStart(bin) <= position && position < binStart(bin + 1)).toBe(true)
    }
  })

  it('are run through in stretches of one bin', () => {
    const runs = [...binRuns(Int32Array.of(4, 5, 6, 1, 1))]
    expect(runs).toEqual([
      { bin: 4, from: 0, to: 2 },
      { bin: 5, from: 2, to: 3 },
      { bin: 1, from: 3, to: 5 },
    ])
  })

  it('have an FVU about the mean of all, and what splicing costs there', () => {
    const fvus: Bins<FvuSums> = []
    const shift = x.slice(0, 2)
    for (const { bin, from, to } of binRuns(Int32Array.of(1, 4, 5))) {
      fvus[bin] = fvuSums(shift)
      addToFvu(fvus[bin], x, recon, from, to)
    }
    const plain: Bins<LossSum> = []
    const spliced: Bins<LossSum> = []
    plain[4] = { sum: 4, n_targets: 2 }
    spliced[4] = { sum: 5, n_targets: 2 }
    const [first, second, ...rest] = byPosition(fvus, plain, spliced)
    expect(first).toEqual({ start: 1, end: 2, n_tokens: 1, fvu: expect.closeTo(0.2, 12) })
    expect(second).toEqual({
      start: 4,
      end: 6,
      n_tokens: 2,
      fvu: expect.closeTo(13 / 21, 12),
      delta_ce_loss: 0.5,
    })
    expect(rest).toEqual([])
  })
})

describe('the readout', () => {
  // d_model 1, three tokens with unembedding 0, ln 2, ln 4 and hardly any softcap: at 1 they have 1/7, 2/7, 4/7, at 0 1/3 each.
  const head = {
    unembedding: Float32Array.of(0, Math.log(2), Math.log(4)),
    d_model: 1,
    final_softcap: 1e4,
  }
  const targets = Int32Array.of(2, 0)

  it('gives losses and KL(plain || spliced) of targets', async () => {
    const readout = await openReadout(head, 1)
    const plain = await readout.plain(Float32Array.of(1, 0), targets)
    expect(plain.losses[0]).toBeCloseTo(-Math.log(4 / 7), 5)
    expect(plain.losses[1]).toBeCloseTo(Math.log(3), 5)
    const spliced = await readout.compare(Float32Array.of(0, 1), targets, plain.reference)
    expect(spliced.losses[0]).toBeCloseTo(Math.log(3), 5)
    expect(spliced.losses[1]).toBeCloseTo(Math.log(7), 5)
    const kl = [1, 2, 4].reduce((sum, n) => sum + (n / 7) * Math.log((3 * n) / 7), 0)
    const back = [1, 2, 4].reduce((sum, n) => sum + Math.log(7 / (3 * n)) / 3, 0)
    expect(spliced.kl[0]).toBeCloseTo(kl, 5)
    expect(spliced.kl[1]).toBeCloseTo(back, 5)
    expect([...(await readout.losses(Float32Array.of(0, 1), targets))]).toEqual([...spliced.losses])
    await readout.close()
  })

  it('caps logits smoothly', async () => {
    const readout = await openReadout({ ...head, final_softcap: 1 }, 1)
    const losses = await readout.losses(Float32Array.of(1), Int32Array.of(1))
    const logits = [0, Math.tanh(Math.log(2)), Math.tanh(Math.log(4))]
    const partition = logits.reduce((sum, logit) => sum + Math.exp(logit), 0)
    expect(losses[0]).toBeCloseTo(Math.log(partition) - logits[1]!, 5)
    await readout.close()
  })

  it('compares the same whether the reference is kept or made again', async () => {
    const readout = await openReadout(head, 1)
    const normalized = Float32Array.of(1, 0.5)
    const { reference } = await readout.plain(Float32Array.of(0.3, -1), targets)
    const kept = await readout.compare(normalized, targets, reference)
    const again = await readout.compare(normalized, targets, { ...reference, chunks: [] })
    expect(again).toEqual(kept)
    await readout.close()
  })
})

describe('uniformity', () => {
  it('is 1 where all latents matter equally, one over their number where one does', () => {
    expect(uniformity([-2, 2, 2])).toBeCloseTo(1, 12)
    expect(uniformity([1e9, 1, 1, 1])).toBeCloseTo(0.25, 6)
    // p = 1/2, 1/4, 1/4: S = 1.5 ln 2.
    expect(uniformity([2, -1, 1, 0])).toBeCloseTo(2 ** 1.5 / 3, 12)
    expect(uniformity([0])).toBeUndefined()
    expect(uniformity([])).toBeUndefined()
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
