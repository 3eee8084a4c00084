import { expect, test } from 'vitest'
import { fullTint, lossHeight, tint } from './tint.ts'

test('a latent that is off has no tint, and one that is barely on can be seen', () => {
  expect(tint(0, 5)).toBe(0)
  expect(tint(-1, 5)).toBe(0)
  expect(tint(0.001, 5)).toBeGreaterThanOrEqual(6)
})

test('the tint rises with the activation and is full at and above the maximum', () => {
  const steps = [0.1, 0.3, 0.5, 0.7, 1].map((x) => tint(x * 13, 13))
  expect(steps).toEqual([...steps].sort((a, b) => a - b))
  expect(tint(13, 13)).toBe(fullTint)
  expect(tint(40, 13)).toBe(fullTint)
})

test('without a maximum there is no scale, and so no tint', () => {
  expect(tint(3, 0)).toBe(0)
  expect(tint(3, Number.NaN)).toBe(0)
})

test('the loss underline is half a pixel a nat, at most four', () => {
  expect(lossHeight(null)).toBe(0)
  expect(lossHeight(2)).toBe(1)
  expect(lossHeight(30)).toBe(4)
})
