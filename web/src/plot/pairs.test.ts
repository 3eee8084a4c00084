import { expect, test } from 'vitest'
import type { SaeSummary } from '../../../src/api/index.ts'
import { differences, pairSaes } from './pairs.ts'

const sae = (suite: string, layer: number, width = '2k', l0 = 32, site = 'hook_resid_post') =>
  ({
    id: `${suite}~blocks.${layer}.${site}~width_${width}~l0_${l0}`,
    suite,
    hook: `blocks.${layer}.${site}`,
    layer,
    d_in: 5,
    d_sae: 7,
    l0_target: l0,
    state: 'trained',
    n_labelled: 0,
  }) satisfies SaeSummary

const rows = (suites: { name: string; saes: SaeSummary[] }[]) =>
  pairSaes(suites).map(({ name, saes }) => [name, [...saes.keys()].join()])

test('where every suite has one SAE at a site, those are compared whatever their size', () => {
  const a = { name: 'a', saes: [sae('a', 10), sae('a', 2)] }
  const b = { name: 'b', saes: [sae('b', 2, '16k', 64)] }
  expect(rows([a, b])).toEqual([
    ['layer 2', 'a,b'],
    ['layer 10', 'a'],
  ])
})

test('where a suite has several, those of the same size are compared', () => {
  const a = { name: 'a', saes: [sae('a', 2, '2k', 8), sae('a', 2, '2k', 16)] }
  const b = { name: 'b', saes: [sae('b', 2, '2k', 16)] }
  expect(rows([a, b])).toEqual([
    ['layer 2 · 2k, L0 8', 'a'],
    ['layer 2 · 2k, L0 16', 'a,b'],
  ])
})

test('with several sites a layer, each is named', () => {
  const a = { name: 'a', saes: [sae('a', 2), sae('a', 2, '2k', 32, 'hook_mlp_out')] }
  expect(rows([a])).toEqual([
    ['layer 2 resid', 'a'],
    ['layer 2 mlp', 'a'],
  ])
})

test('settings that differ, one that only some have among them', () => {
  const origins = [
    { settings: { seed: 1, l0: '32', 'recipe.lr': 0.1 } },
    { settings: { seed: 1, l0: '64' } },
  ]
  expect(differences(origins)).toEqual({ names: ['l0', 'recipe.lr'], n_same: 1 })
  expect(differences([])).toEqual({ names: [], n_same: 0 })
})
