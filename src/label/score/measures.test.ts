import { describe, expect, it } from 'vitest'
import { areaUnderCurve, balancedAccuracy, correlation } from './measures.ts'

const flags = (text: string): boolean[] => [...text].map((c) => c === '1')

describe('balancedAccuracy', () => {
  it('weighs both kinds alike, however many there are of each', () => {
    const found = balancedAccuracy(flags('1100000010'), flags('1111000000'))
    expect(found).toMatchObject({ n_positives: 4, n_negatives: 6 })
    expect(found.value).toBeCloseTo((2 / 4 + 5 / 6) / 2, 12)
    expect(found.low).toBeLessThan(found.value)
    expect(found.high).toBeGreaterThan(found.value)
  })

  it('is sure of nothing from few texts, and of more from many', () => {
    const few = balancedAccuracy(flags('11110000'), flags('11110000'))
    const many = balancedAccuracy(
      flags('1'.repeat(90) + '0'.repeat(90)),
      flags('1'.repeat(90) + '0'.repeat(90)),
    )
    expect([few.value, few.high, many.value]).toEqual([1, 1, 1])
    expect(few.low).toBeLessThan(0.7)
    expect(many.low).toBeGreaterThan(0.95)
  })

  it('needs both kinds', () => {
    expect(() => balancedAccuracy([true], [true])).toThrow(RangeError)
  })
})

describe('areaUnderCurve', () => {
  it('counts pairs in order, ties half, and has a width at 1', () => {
    const found = areaUnderCurve([3, 1, 2, 1], flags('1100'))
    expect(found.value).toBe((1 + 1 + 0 + 0.5) / 4)
    const whole = areaUnderCurve([5, 4, 3, 2, 1, 0], flags('111000'))
    expect(whole).toMatchObject({ value: 1, high: 1 })
    expect(whole.low).toBeLessThan(0.9)
    expect(areaUnderCurve([1, 1], flags('10')).value).toBe(0.5)
  })
})

describe('correlation', () => {
  it("is Pearson's r over all tokens, between bounds that know only whole texts", () => {
    const texts = [
      { truth: [0, 2, 0, 1], said: [0, 9, 1, 5] },
      { truth: Float32Array.of(3, 0), said: [10, 0] },
      { truth: [0, 0, 1], said: [0, 2, 0] },
    ]
    const a = texts.flatMap(({ truth }) => Array.from(truth))
    const b = texts.flatMap(({ said }) => said)
    const mean = (of: number[]) => of.reduce((sum, x) => sum + x, 0) / of.length
    const dot = (x: number[], y: number[]) =>
      x.reduce((sum, v, i) => sum + (v - mean(x)) * (y[i]! - mean(y)), 0)
    const found = correlation(texts)!
    expect(found.value).toBeCloseTo(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)), 10)
    expect(found.low).toBeLessThan(found.value)
    expect(found.high).toBeGreaterThanOrEqual(found.value)
    expect(correlation(texts)).toEqual(found)
  })

  it('is none where one side never changes', () => {
    expect(correlation([{ truth: [0, 1.1, 2], said: [0.1, 0.1, 0.1] }])).toBeUndefined()
  })
})
