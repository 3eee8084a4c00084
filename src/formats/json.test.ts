import { expect, it } from 'vitest'
import { findDuplicateKey } from './json.ts'

it('finds a key that one object holds twice, however it is written', () => {
  expect(findDuplicateKey('{"a": 1, "b": {"a": 2}, "c": ["a", "a"]}')).toBeUndefined()
  expect(findDuplicateKey('{"a": {"x": 1, "y": 2, "x" \n: 3}}')).toBe('x')
  expect(findDuplicateKey('[{"a": 1}, {"a": 1}]')).toBeUndefined()
  expect(findDuplicateKey(String.raw`{"a\"": "{", "\u0061\"": 1}`)).toBe('a"')
  expect(findDuplicateKey(String.raw`{"a\\": "a\\", "a": 1}`)).toBeUndefined()
  expect(findDuplicateKey('{"__proto__": 1, "__proto__": 2}')).toBe('__proto__')
})

it('reads strings of many megabytes', () => {
  const long = 'x"\\'.repeat(4_000_000)
  expect(findDuplicateKey(JSON.stringify({ [long]: long, a: 1 }))).toBeUndefined()
})
