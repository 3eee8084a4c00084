import { describe, expect, it } from 'vitest'
import { findDuplicateKey, parseJson, quote } from './json.ts'

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

describe('parseJson', () => {
  const parse = (text: string, depth = 3) => parseJson(new TextEncoder().encode(text), depth)

  it('reads what nests as deep as it may, brackets in strings not counted', () => {
    expect(parse('{"a":[{"b":"[[[[{{{{\\""}]}')).toEqual({ a: [{ b: '[[[[{{{{"' }] })
    expect(parse('7', 1)).toBe(7)
    expect(parse('null', 1)).toBeNull()
  })

  it('refuses deeper nesting before it builds anything', () => {
    expect(() => parse('{"a":[{"b":[]}]}')).toThrow('nests deeper than 3 levels')
    expect(() => parse('['.repeat(10_000_000))).toThrow('nests deeper than 3 levels')
  })

  it.each(['', '{', '"', '"\\', '{"a":1}}', '{"a":01}'])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow('is not JSON in UTF-8')
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), 1)).toThrow('is not JSON in UTF-8')
  })
})

describe('quote', () => {
  it.each<[unknown, string]>([
    ['plain "é"', '"plain \\"é\\""'],
    ['\u001b[2J\u009b\u202e\ud800', '"\\u001b[2J\\u009b\\u202e\ufffd"'],
    [[3, 5, -0.5], '[3, 5, -0.5]'],
    [{ a: [1, { b: null }] }, '{"a": [1, {"b": null}]}'],
    [undefined, 'none'],
    [[], '[]'],
    [[[[[1]]]], '[[[[\u2026]]]]'],
    [Array(100).fill(1), '[1, 1, 1, 1, 1, 1, 1, 1, \u2026 (100 in all)]'],
  ])('shows %j as %s', (value, text) => {
    expect(quote(value)).toBe(text)
  })

  it('stays short, whatever is long or deep', () => {
    let deep: unknown = 'x'
    for (let i = 0; i < 100_000; i++) deep = i % 2 === 0 ? [deep] : { deep }
    const long = 'n'.repeat(1_000_000)
    const odd = '\u001b'.repeat(1000)
    for (const value of [deep, long, odd, [long, long], { [long]: long }, Array(1e6).fill(long)]) {
      expect(quote(value).length).toBeLessThan(125)
    }
    expect(quote(odd)).toMatch(/^"(\\u001b)+\u2026"$/)
  })
})
