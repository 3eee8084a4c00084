import { expect, test } from 'vitest'
import { parseVector } from './vector.ts'

test('numbers are read as JSON, lines, spaces or commas', () => {
  for (const text of ['[1, -2.5, 3e-2]', '1 -2.5\n3e-2', '1,-2.5,0.03', ' 1;\t-2.5 ; .03 '])
    expect(parseVector(text)).toEqual([1, -2.5, 0.03])
})

test('what is no number is named', () => {
  expect(parseVector('1, two, 3')).toContain('number 2 is “two”')
  expect(parseVector(' [] ')).toBe('no number yet')
  expect(parseVector('1, NaN')).toContain('number 2')
})
