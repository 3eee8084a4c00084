import { describe, expect, it } from 'vitest'
import { redact, retryAfter } from './call.ts'
import { parseAnswer } from './prompts.ts'

describe('parseAnswer', () => {
  it('reads the object alone or in a fence, tidies the label, and takes null and its like for no pattern', () => {
    expect(parseAnswer('{"label": " the  moon. "}')).toBe('the moon')
    expect(parseAnswer('```\n{"label": "sea", "why": "x"}\n```')).toBe('sea')
    expect(parseAnswer('{"label": null}')).toBeNull()
    expect(parseAnswer('{"label": "Unclear."}')).toBeNull()
  })

  it.each(['', 'moon', '{"label": "moon"} and more', '{"label": 3}', '[]', '{"label": "a'])(
    'refuses %j',
    (answer) => {
      expect(() => parseAnswer(answer)).toThrow()
    },
  )
})

describe('retryAfter', () => {
  it('reads milliseconds, seconds and dates', () => {
    expect(retryAfter({ 'retry-after-ms': '250', 'retry-after': '9' })).toBe(250)
    expect(retryAfter({ 'retry-after': '1.5' })).toBe(1500)
    expect(retryAfter({ 'retry-after': 'Thu, 01 Jan 1970 00:00:10 GMT' }, 4000)).toBe(6000)
    expect(retryAfter({ 'retry-after': 'soon' })).toBeUndefined()
    expect(retryAfter({})).toBeUndefined()
  })
})

describe('redact', () => {
  it('takes out the key and what looks like one', () => {
    expect(redact('a secret-1 b sk-proj-ab**cd c', 'secret-1')).toBe('a [key] b [key] c')
    expect(redact('nothing here', '')).toBe('nothing here')
  })
})
