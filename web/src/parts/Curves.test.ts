import { expect, test } from 'vitest'
import { logTicks, spread, ticks } from './Curves.tsx'

test('ticks stand at round numbers', () => {
  expect(ticks(0, 0.9, 5).map((t) => Number(t.toFixed(6)))).toEqual([0, 0.2, 0.4, 0.6, 0.8])
  expect(ticks(2, 2, 4)).toEqual([2])
})

test('logarithmic ticks stay inside, and thin out over many decades', () => {
  expect(logTicks(30, 300)).toEqual([50, 100, 200])
  expect(logTicks(14, 50)).toEqual([15, 20, 30, 40, 50])
  expect(logTicks(1, 1e6)).toEqual([1, 10, 100, 1000, 10000, 100000, 1000000])
})

test('names at the ends of lines are moved apart, in order, and stay above the end', () => {
  const placed = spread([50, 48, 49, 10], 5, 60)
  expect(placed[3]).toBe(10)
  const sorted = [...placed].sort((a, b) => a - b)
  for (let i = 1; i < sorted.length; i++)
    expect((sorted[i] ?? 0) - (sorted[i - 1] ?? 0)).toBeGreaterThanOrEqual(5)
  expect(sorted).toEqual([10, 44, 49, 54])
  expect(Math.max(...spread([58, 59, 60], 5, 60))).toBe(60)
  expect((placed[1] ?? 0) < (placed[2] ?? 0) && (placed[2] ?? 0) < (placed[0] ?? 0)).toBe(true)
})
