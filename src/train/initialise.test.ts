import { describe, expect, it } from 'vitest'
import type { SaeSpec } from './config.ts'
import { HISTOGRAM_BINS, histogramBin, initialiseRows, thresholdFor } from './initialise.ts'

describe('the first weights', () => {
  const spec: SaeSpec = { hook: 'blocks.0.hook_resid_post', d_sae: 7, l0: 2 }
  const rows = (first: number, width: number, other: { seed?: number; spec?: SaeSpec } = {}) => {
    const made = { W_enc: new Float32Array(width * 16), W_dec: new Float32Array(width * 16) }
    initialiseRows(made, { d_in: 11, d_out: 11, first, width, seed: 1, spec, ...other })
    return made
  }

  it('are unit rows with zero padding, the encoder the transpose of the decoder', () => {
    const { W_enc, W_dec } = rows(0, 7)
    expect(W_enc).toEqual(W_dec)
    for (let i = 0; i < 7; i++) {
      const row = W_dec.subarray(i * 16, (i + 1) * 16)
      expect(Math.hypot(...row)).toBeCloseTo(1, 6)
      expect([...row.subarray(11)]).toEqual([0, 0, 0, 0, 0])
      expect(row.some((v) => v < 0) && row.some((v) => v > 0)).toBe(true)
    }
  })

  it('are two sets of unit rows for a transcoder', () => {
    const { W_enc, W_dec } = rows(0, 7, { spec: { ...spec, hook_out: 'blocks.0.hook_mlp_out' } })
    for (let i = 0; i < 7; i++) {
      const [read, written] = [W_enc, W_dec].map((W) => W.subarray(i * 16, (i + 1) * 16))
      expect(Math.hypot(...read!)).toBeCloseTo(1, 6)
      expect(Math.hypot(...written!)).toBeCloseTo(1, 6)
      const cosine = read!.reduce((sum, v, k) => sum + v * written![k]!, 0)
      expect(Math.abs(cosine)).toBeLessThan(0.95)
    }
  })

  it('do not depend on the shard that a latent falls into, but on the seed and on the SAE', () => {
    expect(rows(3, 4).W_dec).toEqual(rows(0, 7).W_dec.slice(3 * 16))
    expect(rows(0, 7, { seed: 2 }).W_dec).not.toEqual(rows(0, 7).W_dec)
    expect(rows(0, 7, { spec: { ...spec, l0: 3 } }).W_dec).not.toEqual(rows(0, 7).W_dec)
  })
})

it('finds the threshold that lets the asked number of latents through', () => {
  const counts = new Int32Array(HISTOGRAM_BINS)
  for (const pre of [0.2, 0.5, 0.5, 1.1, 3, 9]) counts[histogramBin(pre)]!++
  // Two tokens, l0 2: at most four entries. Three lie above 0.5 and five from 0.5 on, so 0.5 itself is cut.
  const threshold = thresholdFor(counts, 2, 2)
  expect(threshold).toBeGreaterThan(0.5)
  expect(threshold).toBeLessThan(0.502)
  expect(thresholdFor(counts, 2, 3)).toBe(0)
})
