/** The 8-bit product: exact sums, the same entries as the product in f32, and no harm where it proposes too many. */
import { describe, expect, it } from 'vitest'
import { Tensor } from '#onnxruntime'
import { resolveRecipe } from './config.ts'
import { latentRandom } from './initialise.ts'
import { kernelVariant } from './kernels/load.ts'
import { openProposal, proposalTokens } from './proposal.ts'
import { SaeSlice } from './slice.ts'

describe('the 8-bit product', () => {
  it('gives exact sums, the largest included', async () => {
    const { session, signed } = await openProposal()
    const random = latentRandom(1, 2, 3)
    const [m, d, width] = [13, 80, 37]
    const x = Uint8Array.from({ length: m * d }, (_, at) => (at < d ? 255 : 256 * random()))
    const w = Int8Array.from({ length: d * width }, (_, at) =>
      at % width === 0 ? 127 : at % width === 1 ? -127 : 254 * random() - 127,
    )
    const bytes = new Uint8Array(w.buffer).map((byte) => byte ^ 128)
    const { sums } = await session.run({
      x: new Tensor('uint8', x, [m, d]),
      W: signed ? new Tensor('int8', w, [d, width]) : new Tensor('uint8', bytes, [d, width]),
      x_zero: new Tensor('uint8', Uint8Array.of(128), []),
      W_zero: signed
        ? new Tensor('int8', Int8Array.of(0), [])
        : new Tensor('uint8', Uint8Array.of(128), []),
    })
    await session.release()
    for (let n = 0; n < m; n++) {
      for (let i = 0; i < width; i++) {
        let sum = 0
        for (let k = 0; k < d; k++) sum += (x[n * d + k]! - 128) * w[k * width + i]!
        expect(sums!.data[n * width + i]).toBe(sum)
      }
    }
  })

  it('takes at least 512 tokens at a time, or all there are', () => {
    expect(proposalTokens(4096, 2048)).toBe(512)
    expect(proposalTokens(4096, 512)).toBe(2048)
    expect(proposalTokens(4096, 100_000)).toBe(512)
    expect(proposalTokens(77, 2048)).toBe(77)
  })

  /** A slice whose thresholds are all `threshold`, with random weights; its entries after a select. */
  async function entriesAt(threshold: number) {
    const [d_in, d_sae, n] = [70, 300, 700]
    const recipe = resolveRecipe(
      { shards: 2, bandwidth: 1e-6 },
      { d_in, d_sae, l0: 5, n_steps: 10, n_tokens: 10 * n },
    )
    const slice = await SaeSlice.open({
      ...{ d_in, d_out: d_in, batch_size: n, d_sae, l0: 5, owned: [1], recipe },
      ranges: [
        { first: 0, width: 149, group: 0 },
        { first: 149, width: 151, group: 0 },
      ],
      ...{ transcoder: false, variant: kernelVariant() },
    })
    const random = latentRandom(5, n, d_in)
    const { arrays, sizes } = slice.shards[0]!
    for (let i = 0; i < sizes.width; i++)
      for (let k = 0; k < d_in; k++) arrays.W_enc[i * sizes.d + k] = random() - 0.5
    arrays.b_enc.forEach((_, i, b_enc) => {
      b_enc[i] = 0.2 * random()
    })
    arrays.threshold.fill(threshold)
    slice.refresh()
    const x = Float32Array.from({ length: n * d_in }, () => random() - 0.5)
    slice.load(x, x, 1, new Float32Array(sizes.d))
    await slice.select(0, { guess: 0, aux: false })
    const dense: [number, number, number][] = []
    await slice.preActs(0, (first, m, pre) => {
      for (let at = 0; at < m * sizes.width; at++)
        if (pre[at]! > arrays.low[at % sizes.width]!)
          dense.push([first + Math.floor(at / sizes.width), at % sizes.width, pre[at]!])
    })
    await slice.close()
    const found: [number, number, number][] = []
    for (let t = 0; t < n; t++)
      for (let e = arrays.row_start[t]!; e < arrays.row_start[t + 1]!; e++)
        found.push([t, arrays.index[e]!, arrays.value[e]!])
    return { found, dense, share: dense.length / (n * sizes.width) }
  }

  it.each([
    ['few', 1.6],
    ['so many that the product in f32 takes over', 0.1],
  ])('finds the entries of the product in f32 where there are %s', async (_, threshold) => {
    const { found, dense, share } = await entriesAt(threshold)
    expect(share > 0.1).toBe(threshold < 1)
    expect(dense.length).toBeGreaterThan(500)
    expect(found.map(([t, i]) => [t, i])).toEqual(dense.map(([t, i]) => [t, i]))
    for (const [e, [, , value]] of found.entries()) expect(value).toBeCloseTo(dense[e]![2], 5)
  })
})
