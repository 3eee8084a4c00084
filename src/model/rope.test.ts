import { describe, expect, it } from 'vitest'
import { ropeTable } from './rope.ts'

describe('ropeTable', () => {
  it('is theta^(-2j / dim)', () => {
    const { inv_freq, scale } = ropeTable(8, 10_000)
    expect(scale).toBe(1)
    for (const [j, expected] of [1, 0.1, 0.01, 0.001].entries())
      expect(inv_freq[j]).toBeCloseTo(expected, 12)
  })

  it('divides every frequency by a linear factor', () => {
    const { inv_freq, scale } = ropeTable(4, 100, { type: 'linear', factor: 8 })
    expect(inv_freq).toEqual([0.125, 0.0125])
    expect(scale).toBe(1)
  })

  it("keeps Llama 3's fast frequencies, stretches slow ones and blends between", () => {
    // Turns in 64 positions: 64 f / 2 pi = 10.19, 3.22, 1.019, 0.322 for f = 1, 0.3162, 0.1, 0.03162.
    const { inv_freq } = ropeTable(8, 100, {
      type: 'llama3',
      factor: 8,
      low: 1,
      high: 4,
      original_n_ctx: 64,
    })
    expect(inv_freq[0]).toBe(1)
    // share (3.22102 - 1) / 3 = 0.740340: 0.316228 x (0.740340 + 0.259660 / 8)
    expect(inv_freq[1]).toBeCloseTo(0.24438, 5)
    // share (1.018592 - 1) / 3 = 0.006197: 0.1 x (0.006197 + 0.993803 / 8)
    expect(inv_freq[2]).toBeCloseTo(0.0130423, 6)
    expect(inv_freq[3]).toBeCloseTo(0.0316228 / 8, 7)
  })

  it('blends by channel in YaRN, and scales', () => {
    // Channel that turns r times in 1,024 positions: 16 ln(1024 / 2 pi r) / (2 ln 10^4): 1.41 for r = 32, 4.42 for r = 1.
    const { inv_freq, scale } = ropeTable(16, 10_000, {
      type: 'yarn',
      factor: 4,
      low: 1,
      high: 32,
      original_n_ctx: 1024,
    })
    // So channels up to 1 stay, those from 5 on are stretched, and a quarter of the way lies between neighbours.
    const stays = [1, 1, 0.75, 0.5, 0.25, 0, 0, 0]
    stays.forEach((share, j) => {
      const freq = 10 ** (-j / 2)
      expect(inv_freq[j]).toBeCloseTo(freq * (share + (1 - share) / 4), 12)
    })
    expect(scale).toBeCloseTo(1.1386294, 7)
  })
})
