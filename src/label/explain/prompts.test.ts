import { describe, expect, it } from 'vitest'
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import { splitExamples } from '../examples/shown.ts'
import { explainQuestion } from './explain.ts'
import { level } from './pairs.ts'
import { parseLabel } from './prompt.ts'

const pieces = ['<bos>', ' the', ' moon', ' rose', '<0x0A>', ' sea']

const example = (doc: number, interval: number, value: number): LatentExample => ({
  interval,
  doc,
  start: 0,
  peak: 1,
  ids: Int32Array.of(1, 2, 3, 4),
  values: Float32Array.of(0, value, value / 4, 0),
})
const record: LatentRecord = {
  index: 3,
  density: 0.1,
  n_active: 9,
  max_act: 2,
  mean_act: 1,
  histogram: { edges: [0, 2], counts: [9] },
  examples: [
    ...[2, 1.9, 1.75, 1.7, 1.5].map((value, i) => example(i, 0, value)),
    ...[1, 0.9].map((value, i) => example(10 + i, 3, value)),
    // The same text as the strongest.
    example(0, 3, 0.8),
  ],
  top_logits: [{ id: 5, effect: 1 }],
  bottom_logits: [],
  neighbours: [],
}

describe('splitExamples', () => {
  it('shows half of the strongest and one of each interval, and keeps the rest unless it shares text', () => {
    const { shown, held_out } = splitExamples(record)
    expect(shown.map(({ doc }) => doc)).toEqual([0, 2, 4, 10])
    expect(held_out.map(({ doc }) => doc)).toEqual([1, 3, 11])
    expect(splitExamples(record)).toEqual({ shown, held_out })
  })
})

describe('explainers', () => {
  const ask = (explainer: 'pairs' | 'contexts' | 'contrastive') =>
    explainQuestion(record, {
      explainer,
      pieces,
      hook: 'h',
      near_misses: () => [
        {
          why: 'same token',
          example: { ...example(77, 0, 0), peak: 2, ids: Int32Array.of(5, 1, 2) },
        },
      ],
    })!

  it('pairs: every token with floor(10 a / max), and the same without zeros', () => {
    const { user, purpose } = ask('pairs')
    expect(user).toContain('Text 1:\n the\t0\n moon\t10\n rose\t2\n↵\t0')
    expect(user).toContain('Text 2:\n the\t0\n moon\t8\n rose\t2\n↵\t0')
    expect(user).toContain('without the zeros:\n moon\t10\n rose\t2\n moon\t8')
    expect(purpose).toBe('pairs h/3')
    expect([level(-1, 2), level(1.99, 2), level(5, 2), level(1, 0)]).toEqual([0, 9, 10, 0])
  })

  it('contexts: marked tokens, next tokens, raised tokens', () => {
    const { user } = ask('contexts')
    expect(user).toContain('1. the <<moon>> rose↵')
    expect(user).toContain('right after the strongest: [" rose"]')
    expect(user).toContain('Raised tokens: [" sea"]')
  })

  it('contrastive: near misses too, each with the token that makes it one', () => {
    expect(ask('contrastive').user).toContain(
      'Near misses, where it is silent:\n1. sea the [[moon]]',
    )
    expect(ask('contexts').user).not.toContain('[[')
  })

  it('have nothing to say of a latent that never fires', () => {
    for (const explainer of ['pairs', 'contexts', 'contrastive'] as const)
      expect(
        explainQuestion({ ...record, examples: [] }, { explainer, pieces, hook: 'h' }),
      ).toBeUndefined()
  })
})

describe('parseLabel', () => {
  it('reads the object alone or in a fence, tidies the label, and takes null and its like for no pattern', () => {
    expect(parseLabel('{"label": " the  moon. "}')).toBe('the moon')
    expect(parseLabel('```\n{"label": "sea", "why": "x"}\n```')).toBe('sea')
    expect(parseLabel('{"label": null}')).toBeNull()
    expect(parseLabel('{"label": "Unclear."}')).toBeNull()
  })

  it('is not kept busy by a fence that never ends', () => {
    const started = performance.now()
    expect(() => parseLabel(`\`\`\`${'\n'.repeat(200_000)}x`)).toThrow()
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it.each(['', 'moon', '{"label": "moon"} and more', '{"label": 3}', '[]', '{"label": "a'])(
    'refuses %j',
    (answer) => {
      expect(() => parseLabel(answer)).toThrow()
    },
  )
})
