import { expect, it } from 'vitest'
import { activationRows, explanationRow, featureRow, type LatentRecord } from './index.ts'

const SOURCE = {
  modelId: 'small',
  id: '3-tiny-res-5',
  setName: 'tiny-res-5',
  hookName: 'blocks.3.hook_resid_post',
  createdAt: '2026-01-02T03:04:05.000Z',
}
const PIECES = [' the', ' sea', '\n', ' fog']
const piece = (id: number) => PIECES[id]!

/** A latent that fired on 3 of 40 tokens, most on " sea" with 2.5: its histogram's top is 4, 40 bins of 0.1. */
const RECORD: LatentRecord = {
  index: 7,
  density: 0.075,
  n_active: 3,
  max_act: 2.5,
  mean_act: 1.25,
  histogram: { edges: [0, 0.1, 0.2], counts: [1, 2] },
  examples: [
    {
      ...{ interval: 0, doc: 11, start: 4, peak: 1 },
      ids: Int32Array.of(0, 1, 2),
      values: Float32Array.of(0.1, 2.5, 0),
    },
    {
      interval: 4,
      doc: 2,
      start: 0,
      peak: 0,
      ids: Int32Array.of(3),
      values: Float32Array.of(0.75),
    },
  ],
  top_logits: [{ id: 1, effect: Math.fround(0.3) }],
  bottom_logits: [{ id: 3, effect: -2 }],
  neighbours: [
    { hook: 'blocks.3.hook_resid_post', index: 2, cosine: Math.fround(0.7) },
    { hook: 'blocks.4.hook_resid_post', index: 3, cosine: 0.5 },
  ],
}
const OPTIONS = { vector: Float32Array.of(0.6, -0.8), hook: SOURCE.hookName, piece }

it('a feature, field by field', () => {
  expect(featureRow(SOURCE, RECORD, OPTIONS)).toStrictEqual({
    modelId: 'small',
    layer: '3-tiny-res-5',
    index: 7,
    sourceSetName: 'tiny-res-5',
    createdAt: '2026-01-02T03:04:05.000Z',
    maxActApprox: 2.5,
    hasVector: true,
    vector: [0.6, -0.8],
    hookName: 'blocks.3.hook_resid_post',
    vectorDefaultSteerStrength: 2.5,
    frac_nonzero: 0.075,
    freq_hist_data_bar_heights: [1, 2],
    freq_hist_data_bar_values: [0.05, expect.closeTo(0.15, 12)],
    neg_str: [' fog'],
    neg_values: [-2],
    pos_str: [' sea'],
    pos_values: [0.3],
    topkCosSimIndices: [2],
    topkCosSimValues: [0.7],
  })
})

it('of a latent that never fired what is not known is absent', () => {
  const dead = { ...RECORD, n_active: 0, density: 0, max_act: 0, top_logits: [], neighbours: [] }
  const { createdAt: _, ...undated } = SOURCE
  expect(featureRow(undated, dead, OPTIONS)).toStrictEqual({
    modelId: 'small',
    layer: '3-tiny-res-5',
    index: 7,
    sourceSetName: 'tiny-res-5',
    hasVector: true,
    vector: [0.6, -0.8],
    hookName: 'blocks.3.hook_resid_post',
    frac_nonzero: 0,
  })
})

it('its examples, with the borders of the interval they were drawn from', () => {
  const common = {
    modelId: 'small',
    layer: '3-tiny-res-5',
    index: 7,
    createdAt: '2026-01-02T03:04:05.000Z',
  }
  // 5 intervals of 4 bins of 0.2 up to 4; the maximum lies in the 13th, so interval 4 of 13 bins is bins 3 to 5.
  expect(activationRows(SOURCE, RECORD, { n_intervals: 5, piece })).toStrictEqual([
    {
      id: 'small_3-tiny-res-5_7_0',
      ...common,
      tokens: [' the', ' sea', '\n'],
      values: [0.1, 2.5, 0],
      ...{ maxValue: 2.5, maxValueTokenIndex: 1, minValue: 0 },
      ...{ dataIndex: '11', qualifyingTokenIndex: 1 },
    },
    {
      id: 'small_3-tiny-res-5_7_1',
      ...common,
      tokens: [' fog'],
      values: [0.75],
      ...{ maxValue: 0.75, maxValueTokenIndex: 0, minValue: 0.75 },
      ...{ dataIndex: '2', qualifyingTokenIndex: 0 },
      ...{ binMin: expect.closeTo(0.6, 12), binMax: expect.closeTo(1.2, 12) },
    },
  ])
})

it('a label as an explanation', () => {
  const label = { latent: 7, text: 'the word sea', method: 'llm', author: 'some-model' } as const
  expect(explanationRow(SOURCE, label)).toStrictEqual({
    id: 'small_3-tiny-res-5_7_llm_some-model',
    modelId: 'small',
    layer: '3-tiny-res-5',
    index: 7,
    description: 'the word sea',
    typeName: 'hooke_llm',
    explanationModelName: 'some-model',
  })
  const lexical = explanationRow(SOURCE, { ...label, method: 'lexical', author: 'hooke lexical' })
  expect(lexical).not.toHaveProperty('explanationModelName')
  expect(explanationRow(SOURCE, { ...label, method: 'manual', author: 'ann' })).toMatchObject({
    id: 'small_3-tiny-res-5_7_manual_ann',
    typeName: 'hooke_manual',
    authorId: 'ann',
  })
})
