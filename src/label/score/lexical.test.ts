import { describe, expect, it } from 'vitest'
import { hash32 } from '../../activations/index.ts'
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import type { Activity } from '../examples/activity.ts'
import { isSilent } from '../examples/activity.ts'
import { type Material, materialOf } from '../examples/material.ts'
import { overlap } from '../examples/shown.ts'
import { wordBackground } from '../lexical/background.ts'
import type { LexicalClaim } from '../lexical/claim.ts'
import { lexicalLabel } from '../lexical/lexicalLabel.ts'
import { lexical, predicts } from './lexical.ts'
import type { Subject } from './types.ts'

const PIECES = ['<bos>', ' out', ' of', ' wait', 'ing', ' night', ' the', ' sky', '.', ' dark']
const id = (piece: string) => PIECES.indexOf(piece)
const textOf = (text: string): LatentExample => {
  const ids = Int32Array.from(text.split('|'), id)
  return { interval: 0, doc: 0, start: 9, peak: 0, ids, values: new Float32Array(ids.length) }
}
const says = (claim: LexicalClaim, text: string) => predicts(claim, textOf(text), PIECES)

describe('predicts', () => {
  it.each<[string, LexicalClaim, string, string]>([
    ['a word', [{ any: [{ kind: 'word', value: 'night' }] }], ' the| night', ' the| sky'],
    [
      'one of two words',
      [{ any: ['night', 'sky'].map((value) => ({ kind: 'word', value })) }],
      ' the| sky',
      ' the| dark',
    ],
    ['the end of a word', [{ any: [{ kind: 'last', value: 'ing' }] }], ' wait|ing', ' wait| the'],
    [
      'a whole word that is elsewhere a part',
      [{ any: [{ kind: 'whole', value: 'wait' }] }],
      ' wait|.',
      ' wait|ing',
    ],
    [
      'a word after another',
      [{ any: [{ kind: 'word', value: 'of' }], where: [{ kind: 'before', value: 'out' }] }],
      ' the| out| of',
      ' of| out| the',
    ],
    [
      'what stands after two words',
      [{ any: [{ kind: 'before', value: 'out of' }] }],
      ' out| of| the',
      ' of| the| out',
    ],
    ['a class', [{ any: [{ kind: 'class', value: 'full stop' }] }], ' the|.', ' the| sky'],
    ['what comes next', [{ any: [{ kind: 'next', value: 'sky' }] }], ' the| sky', ' sky| the'],
    [
      'either of two clauses',
      [{ any: [{ kind: 'word', value: 'dark' }] }, { any: [{ kind: 'word', value: 'sky' }] }],
      ' the| sky',
      ' the| night',
    ],
  ])('holds a claim against a text: %s', (_, claim, yes, no) => {
    expect([says(claim, yes), says(claim, no)]).toEqual([true, false])
  })

  it('refuses a class that it does not know', () => {
    expect(() => says([{ any: [{ kind: 'class', value: 'planets' }] }], ' the')).toThrow(/planets/)
  })
})

/** Documents of 40 tokens; a latent fires on every " night", by 1 to 3. */
const NIGHT = id(' night')
const N_DOCS = 80
const LENGTH = 40
const docs = Array.from({ length: N_DOCS }, (_, doc) =>
  Int32Array.from({ length: LENGTH }, (_, i) => {
    if (i === 0) return 0
    if (doc % 2 === 0 && i === 5 + (doc % 20)) return NIGHT
    return 6 + (hash32(doc * LENGTH + i) % 4)
  }),
)
const ids = Int32Array.from(docs.flatMap((doc) => [...doc]))
const fires = Array.from(ids.keys()).filter((at) => ids[at] === NIGHT)
const activity: Activity = {
  corpus: {
    ids,
    doc_start: Int32Array.from({ length: N_DOCS + 1 }, (_, doc) => doc * LENGTH),
    hash: 'h',
  } as Activity['corpus'],
  doc_of: Int32Array.from({ length: N_DOCS }, (_, doc) => doc),
  n_tokens: ids.length,
  of: () => ({
    token: Int32Array.from(fires),
    value: Float32Array.from(fires, (_, i) => 1 + (i % 5) / 2),
  }),
}
/** Of the first documents. */
const examples: LatentExample[] = [0, 2, 4, 6].map((doc) => {
  const peak = docs[doc]!.indexOf(NIGHT)
  const values = new Float32Array(LENGTH - 1)
  values[peak - 1] = 3
  return { interval: 0, doc, start: 1, peak: peak - 1, ids: docs[doc]!.slice(1), values }
})
const record: LatentRecord = {
  index: 3,
  density: 0.01,
  n_active: fires.length,
  max_act: 3,
  mean_act: 2,
  histogram: { edges: [0, 4], counts: [fires.length] },
  examples,
  top_logits: [],
  bottom_logits: [],
  neighbours: [],
}
const options = { n_examples: 20, context: 4, seen: 'all' } as const
const material: Material = materialOf(record, activity, options)
const subject = (claim: LexicalClaim | undefined): Subject => ({
  label: 'x',
  claim,
  record,
  material,
  pieces: PIECES,
  name: 'x',
  thinking_tokens: 0,
})
const scoreOf = (claim: LexicalClaim) => {
  const plan = lexical(subject(claim))
  if ('lacks' in plan) throw new Error(plan.lacks)
  expect(plan.asked).toEqual([])
  return plan.measure([])
}

describe('the lexical scorer', () => {
  it('judges on windows of both kinds, none of which shares text with an example', () => {
    const { positives, negatives } = material
    expect([positives.length, negatives.length]).toEqual([20, 20])
    expect(positives.every(({ values, peak }) => values[peak]! > 0)).toBe(true)
    expect(negatives.every(isSilent)).toBe(true)
    for (const text of [...positives, ...negatives])
      expect(examples.some((example) => overlap(text, example))).toBe(false)
  })

  it('knows a document that was seen in other text by its words, not by its number', () => {
    const { corpus } = activity
    const firstOf = (n_docs: number, from = 0): Activity => {
      const ids = corpus.ids.subarray(from * LENGTH, (from + n_docs) * LENGTH)
      const token = Int32Array.from(ids.keys()).filter((at) => ids[at] === NIGHT)
      return {
        corpus: { ...corpus, ids, doc_start: corpus.doc_start.slice(0, n_docs + 1) },
        doc_of: activity.doc_of.slice(0, n_docs),
        n_tokens: ids.length,
        of: () => ({ token, value: Float32Array.from(token, () => 1) }),
      }
    }
    const seen = new Set(examples.map(({ doc }) => doc))
    const docsOf = (text: Activity) =>
      materialOf(record, text, { ...options, n_examples: 100 }).positives.map(({ doc }) => doc)
    // Less of the same text: the documents are those that the examples come from.
    const less = docsOf(firstOf(12))
    expect(less.length).toBeGreaterThan(0)
    expect(less.some((doc) => seen.has(doc))).toBe(false)
    // Other text: its documents have the same numbers by chance.
    expect(docsOf(firstOf(12, 20)).some((doc) => seen.has(doc))).toBe(true)
  })

  it('gives 1 to a right label made from the examples, and about 0.5 to wrong ones', () => {
    const label = lexicalLabel(record, { pieces: PIECES, background: wordBackground(docs, PIECES) })
    expect(label.text).toBe('“night”')
    expect(scoreOf(label.claim!)).toMatchObject({ value: 1, high: 1, chance: 0.5, n: 40 })
    expect(scoreOf([{ any: [{ kind: 'word', value: 'out' }] }])?.value).toBe(0.5)
    expect(scoreOf([{ any: [{ kind: 'near', value: 'the' }] }])?.value).toBeCloseTo(0.5, 0)
  })

  it('has no score where the claim is not known', () => {
    expect(lexical(subject(undefined))).toHaveProperty('lacks')
  })
})
