import { expect, it } from 'vitest'
import { wilson, wordOverlap } from './index.ts'

it('counts words in both over words in either, whatever their case and signs', () => {
  expect(wordOverlap('The sea, calm', '“sea” the fog the')).toBe(2 / 4)
  expect(wordOverlap('Île 3', 'île 3')).toBe(1)
  expect(wordOverlap('moon', '“…”')).toBe(0)
  expect(wordOverlap('“…”', '—')).toBeUndefined()
})

it('bounds a share by the shares that it is not surprising under', () => {
  expect(wilson(0, 0)).toBeUndefined()
  for (const [k, n] of [
    [7, 10],
    [0, 5],
    [5, 5],
    [3, 400],
  ] as const) {
    const { share, low, high } = wilson(k, n)!
    expect(share).toBe(k / n)
    // At each bound but 0 and 1 the observed share lies 1.96 standard errors away.
    for (const p of [low, high].filter((bound) => bound > 1e-12 && bound < 1 - 1e-12))
      expect(Math.abs(share - p) / Math.sqrt((p * (1 - p)) / n)).toBeCloseTo(1.96, 2)
  }
  expect(wilson(0, 5)).toMatchObject({ low: 0 })
  expect(wilson(5, 5)?.high).toBeCloseTo(1, 12)
})
