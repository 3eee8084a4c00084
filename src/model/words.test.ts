import { describe, expect, it } from 'vitest'
import { PATTERNS, randomText } from '../../test/slowTokenizer.ts'
import { openRandom } from './random.ts'
import { cutFinder, stretchesOf } from './words.ts'

describe('cuts', () => {
  it('are made between characters that no piece holds side by side, and nowhere else', () => {
    const next = cutFinder(['▁the', 'he', 'r', '日本', '🙂🙂'])
    const words = (text: string): string[] => {
      const found: string[] = []
      for (let from = 0; from < text.length; ) {
        const to = next(text, from)
        found.push(text.slice(from, to))
        from = to
      }
      return found
    }
    expect(words('▁the▁ther')).toEqual(['▁the', '▁the', 'r'])
    expect(words('日本日🙂🙂🙂x')).toEqual(['日本', '日', '🙂🙂🙂', 'x'])
    expect(words('')).toEqual([])
  })
})

describe('stretches', () => {
  it.each(Object.entries(PATTERNS))('are split as the whole by the pattern of %s', (_, pattern) => {
    const split = (text: string): string[] => text.match(new RegExp(pattern, 'gu')) ?? []
    const random = openRandom(5)
    let n_cut = 0
    for (let i = 0; i < 60; i++) {
      const text = randomText(random, 120).toWellFormed()
      const stretches = [...stretchesOf(text, split, 7)]
      n_cut += stretches.length - 1
      expect(stretches.join('')).toBe(text)
      expect(stretches.flatMap(split)).toEqual(split(text))
    }
    expect(n_cut).toBeGreaterThan(200)
  })

  it('are the whole where the pattern reaches across every place', () => {
    const text = 'one two three\nfour '.repeat(300)
    const split = (part: string): string[] => [part]
    expect([...stretchesOf(text, split, 10)]).toEqual([text])
  })
})
