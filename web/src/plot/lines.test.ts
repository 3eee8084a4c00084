import { expect, test } from 'vitest'
import type { RunPoint } from '../../../src/api/index.ts'
import { facetsOf, nearest, placesOf, trainingsOf } from './lines.ts'
import { telling } from './quantities.ts'

const point = (sae: string, step: number, more: Partial<RunPoint> = {}): RunPoint => ({
  sae,
  step,
  n_steps: 4,
  n_tokens: 100 * step,
  mse: 1,
  sparsity_loss: 0.1,
  aux_loss: 0,
  lambda: 0.1,
  l0: 3,
  fvu: 0.5,
  dead: 0,
  tokens_per_s: 50,
  ...more,
})
const sae = (hook: string, width = '2k', l0 = 32) => `s~${hook}~width_${width}~l0_${l0}`
const resid = (layer: number) => `blocks.${layer}.hook_resid_post`
const panels = (saes: string[]) => {
  const { facets, by } = facetsOf(trainingsOf(saes.map((s) => point(s, 1))))
  return { by, facets: facets.map(({ name, lines }) => [name, ...lines.map((l) => l.name)]) }
}

test('layers of one site share a panel, in the order of numbers', () => {
  const { facets } = facetsOf(trainingsOf([10, 2, 0].map((layer) => point(sae(resid(layer)), 1))))
  expect(facets).toHaveLength(1)
  expect(facets[0]?.name).toBe('')
  expect(facets[0]?.lines.map((l) => l.name)).toEqual(['0', '2', '10'])
  expect(new Set(facets[0]?.lines.map((l) => l.colour)).size).toBe(3)
  expect(facets[0]?.targets).toEqual([32])
})

test('what else varies has a panel each', () => {
  const both = [0, 1].flatMap((layer) => [sae(resid(layer)), sae(`blocks.${layer}.attn.hook_z`)])
  expect(panels(both)).toEqual({
    by: 'layer',
    facets: [
      ['resid_post', '0', '1'],
      ['attn z', '0', '1'],
    ],
  })
  expect(
    panels([sae(resid(3), '16k', 64), sae(resid(3), '2k', 8), sae(resid(3), '16k', 8)]),
  ).toEqual({
    by: 'l0',
    facets: [
      ['16k latents', '8', '64'],
      ['2k latents', '8'],
    ],
  })
})

test('one SAE has one panel with one line', () => {
  expect(panels([sae('hook_embed')])).toEqual({ by: 'layer', facets: [['', '']] })
})

test('points stand at their step, their tokens, or the time that their speeds add up to', () => {
  const points = [point('a', 1), point('a', 2, { tokens_per_s: 200 }), point('a', 4)]
  expect(placesOf(points, 'step')).toEqual([1, 2, 4])
  expect(placesOf(points, 'tokens')).toEqual([100, 200, 400])
  expect(placesOf(points, 'time')).toEqual([2, 2.5, 6.5])
})

test('the nearest of places, and none of none', () => {
  expect(nearest([1, 4, 9], 6)).toBe(1)
  expect(nearest([1, 4, 9], 99)).toBe(2)
  expect(nearest([], 1)).toBe(-1)
})

test('quantities that are zero or stand still are not drawn', () => {
  const points = [1, 2, 3, 4].map((step) => point('a', step, { lambda: step < 2 ? 0.05 : 0.1 }))
  expect(telling(points)).toEqual(['fvu', 'l0', 'dead', 'mse', 'sparsity_loss', 'tokens_per_s'])
  const moving = points.map((p) => ({ ...p, lambda: p.step, aux_loss: 0.1, sparsity_loss: 0 }))
  expect(telling(moving)).toEqual([
    'fvu',
    'l0',
    'dead',
    'mse',
    'tokens_per_s',
    'aux_loss',
    'lambda',
  ])
})
