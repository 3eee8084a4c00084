import { expect, it } from 'vitest'
import { priorityOf } from './priority.ts'
import { readActivations } from './simulation.ts'

it('reads a strength for every token, and its expectation where the odds are told', () => {
  const text = '{"activations": [[1, 0], [2, 10], [3, 4]]}'
  expect(readActivations(text, 3)).toEqual([0, 10, 4])
  const expected = [
    { at: text.indexOf('1,'), value: 9 },
    { at: text.indexOf('4]'), value: 5.5 },
  ]
  expect(readActivations(text, 3, expected)).toEqual([0, 10, 5.5])
})

it('takes no odds where numbers are written so that they cannot be told apart', () => {
  const text = '{"activations": [[1, 5.0], [2, 10], [3, 4]]}'
  const expected = [{ at: text.indexOf('10'), value: 9 }]
  expect(readActivations(text, 3, expected)).toEqual([5, 10, 4])
})

it.each([
  ['a token too few', '{"activations": [[1, 0], [2, 10]]}'],
  ['out of order', '{"activations": [[2, 0], [1, 10], [3, 4]]}'],
  ['too strong', '{"activations": [[1, 0], [2, 11], [3, 4]]}'],
  ['no pairs', '{"activations": [0, 10, 4]}'],
  ['another number', '{"activations": [[1, 0, 0], [2, 1], [3, 4]]}'],
])('refuses strengths with %s', (_, text) => {
  expect(() => readActivations(text, 3)).toThrow()
})

it('puts often used latents first, and those whose labels disagree before others as often used', () => {
  expect(priorityOf(1000, [])).toBeGreaterThan(priorityOf(100, ['a', 'a']))
  expect(priorityOf(100, ['the sea', 'a door'])).toBe(
    (2 * priorityOf(100, ['sea', 'the sea sea'])) / 1.5,
  )
  expect(priorityOf(100, ['sea', 'sea'])).toBe(priorityOf(100, ['sea']))
})
