import { expect, test } from 'vitest'
import { brief, count, duration, none, percent, remaining, short, signed } from './numbers.ts'

test('three significant digits, whatever the size', () => {
  expect([9.9996, 99.96, 999.7].map(short)).toEqual(['10.0', '100', '1,000'])
  expect([0, 0.01234, 0.5, 1.234, 45.67, 999.4, 12345, -2.5].map(short)).toEqual([
    '0',
    '0.0123',
    '0.500',
    '1.23',
    '45.7',
    '999',
    '12,345',
    '−2.50',
  ])
})

test('what could not be computed is a dash, never zero', () => {
  expect(short(undefined)).toBe(none)
  expect(short(Number.NaN)).toBe(none)
  expect(percent(undefined)).toBe(none)
  expect(count(undefined)).toBe(none)
})

test('shares keep two digits where they are small', () => {
  expect([0, 0.5, 0.0123, 0.0012, 0.00012].map(percent)).toEqual([
    '0 %',
    '50 %',
    '1.2 %',
    '0.12 %',
    '0.012 %',
  ])
})

test('the time left is said in words a person would use', () => {
  expect([3_000, 42_000, 131_000, 7_200_000].map(remaining)).toEqual([
    'seconds left',
    'about 40 s left',
    'about 2 min left',
    'about 2.0 h left',
  ])
})

test('spans of time, and large counts in few signs', () => {
  expect([0.4, 59.4, 185, 7800].map(duration)).toEqual(['0 s', '59 s', '3 min 05 s', '2 h 10 min'])
  expect([850, 12_340, 1_500_000, 2e9].map(brief)).toEqual(['850', '12.3k', '1.5M', '2G'])
})

test('a difference has a sign, and none where it rounds to nothing', () => {
  const three = (x: number) => x.toFixed(3)
  expect([0.05, -0.05, 0.0001].map((x) => signed(x, three))).toEqual(['+0.050', '−0.050', '±0'])
  expect(signed(-0.002, (x) => percent(x))).toBe('−0.20 %')
})
