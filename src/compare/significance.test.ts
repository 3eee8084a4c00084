import { describe, expect, it } from 'vitest'
import { openRandom } from '../model/index.ts'
import { falseDiscoveryRates, signTest } from './significance.ts'

describe('signTest', () => {
  it('is the exact binomial probability of a split as uneven', () => {
    expect(signTest(5, 0)).toBeCloseTo(2 / 32, 12)
    expect(signTest(0, 5)).toBeCloseTo(2 / 32, 12)
    expect(signTest(8, 2)).toBeCloseTo((2 * (1 + 10 + 45)) / 1024, 12)
    expect(signTest(0, 0)).toBe(1)
    expect(signTest(50, 50)).toBe(1)
  })

  it('agrees with the normal approximation where there are many, and does not underflow to a wrong 1', () => {
    // z = (5,200 - 4,800 - 1) / sqrt(10,000) = 3.99: p = 6.6e-5
    expect(signTest(5200, 4800)).toBeGreaterThan(6.4e-5)
    expect(signTest(5200, 4800)).toBeLessThan(6.9e-5)
    expect(signTest(1_000_000, 0)).toBe(0)
  })
})

describe('falseDiscoveryRates', () => {
  it('is p m / rank, made monotone', () => {
    const q = falseDiscoveryRates([0.04, 0.01, 0.5, 0.03])
    expect([...q]).toEqual([0.16 / 3, 0.04, 0.5, 0.16 / 3].map((x) => expect.closeTo(x, 12)))
    expect(falseDiscoveryRates([])).toHaveLength(0)
  })

  it('finds next to nothing among thousands of tests of chance, and the few that are more', () => {
    const random = openRandom(11)
    const flips = (n: number, share: number) => {
      let up = 0
      for (let i = 0; i < n; i++) if (random() < share) up++
      return signTest(up, n - up)
    }
    const chance = Array.from({ length: 4000 }, () => flips(100, 0.5))
    // Without a correction 5 % of them would be "found".
    expect(chance.filter((p) => p < 0.05).length).toBeGreaterThan(80)
    expect(falseDiscoveryRates(chance).filter((q) => q <= 0.05).length).toBeLessThanOrEqual(1)
    const real = Array.from({ length: 40 }, () => flips(100, 0.85))
    const q = falseDiscoveryRates([...real, ...chance])
    expect(q.subarray(0, 40).every((x) => x <= 0.05)).toBe(true)
    expect(q.subarray(40).filter((x) => x <= 0.05).length).toBeLessThanOrEqual(8)
  })
})
