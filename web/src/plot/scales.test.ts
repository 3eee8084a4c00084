import { expect, test } from 'vitest'
import { logTicks, scaleOf, spread, ticks } from './scales.ts'

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

test('a linear axis begins at zero, and a value below lies on it', () => {
  const { at, ticks } = scaleOf([3, 12, Number.NaN], 'linear')
  expect([at(-1), at(0), at(3), at(12)]).toEqual([0, 0, 0.25, 1])
  expect(ticks[0]).toBe(0)
  expect(scaleOf([], 'linear').at(0)).toBe(0)
})

test('a logarithmic axis spans its values, four decades at most, zeros on its floor', () => {
  const { at, ticks } = scaleOf([0, 0.01, 0.1, 1], 'log')
  expect([0, 0.01, 0.1, 1].map(at).map((x) => Number(x.toFixed(6)))).toEqual([0, 0, 0.5, 1])
  expect(ticks.map((t) => Number(t.toPrecision(3)))).toEqual([0.01, 0.1, 1])
  expect(scaleOf([1e-9, 1], 'log').at(1e-4)).toBeCloseTo(0)
  expect(scaleOf([7, 7], 'log')).toMatchObject({ ticks: [7] })
  expect(scaleOf([0], 'log').ticks).toEqual([])
})

test('does not blow up what hardly moves on a logarithmic axis', () => {
  const { at } = scaleOf([32, 32.001], 'log')
  expect(at(32)).toBeCloseTo(0.5, 3)
  expect(at(32.001)).toBeCloseTo(0.5, 3)
  const wide = scaleOf([10, 100], 'log')
  expect([wide.at(10), wide.at(100)]).toEqual([0, 1])
})
