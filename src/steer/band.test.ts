import { describe, expect, it } from 'vitest'
import { bandsOf, type Measure, renderBandRule, repetition, verdictOf } from './band.ts'

describe('repetition', () => {
  it('is the share of 3-grams that occurred before', () => {
    expect(repetition([1, 2, 3, 4, 5])).toBe(0)
    // 123 231 312 123 231: two of five are not new.
    expect(repetition([1, 2, 3, 1, 2, 3, 1])).toBeCloseTo(2 / 5)
    expect(repetition([7, 7, 7, 7])).toBeCloseTo(1 / 2)
  })

  it('is absent for a text that has no 3-gram', () => {
    expect(repetition([1, 2])).toBeUndefined()
  })

  it('does not confuse ids that read alike', () => {
    expect(repetition([1, 11, 2, 11, 1, 2])).toBe(0)
  })
})

describe('the verdict', () => {
  const plain: Measure = {
    n_tokens: 40,
    perplexity: 10,
    repetition: 0.05,
    acts: [[1, 2, 1, 2]],
    texts: [],
  }
  const up = { intervention: { mode: 'add', strength: 1 }, lead: 0 } as const
  const down = { intervention: { mode: 'add', strength: -1 }, lead: 0 } as const
  const judge = (change: Partial<Measure>, of: Parameters<typeof verdictOf>[2] = up) =>
    verdictOf({ ...plain, acts: [[3, 4, 3, 4]], ...change }, plain, of)

  it('asks for an effect of more than two standard errors, in the direction of the strength', () => {
    // Both variances 1/3, standard error of the difference sqrt(2 / 3 / 4) = 0.408: 0.8 is within two of them, 0.9 is not.
    expect(judge({ acts: [[1.8, 2.8, 1.8, 2.8]] })).toBe('no_effect')
    expect(judge({ acts: [[1.9, 2.9, 1.9, 2.9]] })).toBe('useful')
    expect(judge({ acts: [[3, 4, 3, 4]] }, down)).toBe('no_effect')
    expect(judge({ acts: [[0, 0, 0, 0]] }, down)).toBe('useful')
    expect(judge({ acts: plain.acts })).toBe('no_effect')
  })

  it('reads the direction of a factor from 1, and that of a clamp from 0', () => {
    const of = (mode: 'scale' | 'clamp', strength: number) =>
      ({ intervention: { mode, strength }, lead: 0 }) as const
    expect(judge({}, of('scale', 2))).toBe('useful')
    expect(judge({}, of('scale', 0.5))).toBe('no_effect')
    expect(judge({ acts: [[0, 0, 0, 0]] }, of('scale', 0.5))).toBe('useful')
    expect(judge({}, of('clamp', 1))).toBe('useful')
    expect(judge({ acts: [[0, 0, 0, 0]] }, of('clamp', 0))).toBe('useful')
  })

  it('then bounds perplexity, then repetition', () => {
    expect(judge({ perplexity: 20 })).toBe('useful')
    expect(judge({ perplexity: 20.1, repetition: 1 })).toBe('unlikely')
    expect(judge({ repetition: 0.149 })).toBe('useful')
    expect(judge({ repetition: 0.16 })).toBe('repetitive')
  })

  it('finds no effect in texts that are empty', () => {
    expect(verdictOf({ n_tokens: 0, acts: [[]], texts: ['', ''] }, plain, up)).toBe('no_effect')
  })

  it('has a rule that names its bounds', () => {
    expect(renderBandRule()).toContain('over 2 standard errors')
    expect(renderBandRule()).toContain('at most 2 times')
    expect(renderBandRule()).toContain('at most 0.1 above')
  })
})

it('a band is a run of useful strengths', () => {
  const at = (strength: number, verdict: 'useful' | 'no_effect') => ({ strength, verdict })
  expect(bandsOf([at(-1, 'useful'), at(0, 'no_effect'), at(1, 'useful'), at(2, 'useful')])).toEqual(
    [
      { from: -1, to: -1 },
      { from: 1, to: 2 },
    ],
  )
  expect(bandsOf([at(0, 'no_effect')])).toEqual([])
})
