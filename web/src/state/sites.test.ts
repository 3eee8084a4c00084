import { expect, it } from 'vitest'
import type { SaeSummary } from '../../../src/api/index.ts'
import { chooseSites } from './sites.ts'

const sae = (hook: string, width: number, l0: number, state: SaeSummary['state'] = 'labelled') => ({
  id: `s~${hook}~width_${width}~l0_${l0}`,
  suite: 's',
  hook,
  d_in: 8,
  d_sae: width,
  l0_target: l0,
  state,
  n_labelled: 0,
})
const ids = (saes: readonly SaeSummary[]) => saes.map(({ id }) => id)

it('shows everything, and offers no choice, where there is one dictionary a layer', () => {
  const saes = [sae('blocks.0.hook_resid_post', 64, 8), sae('blocks.1.hook_resid_post', 64, 9)]
  const choice = chooseSites(saes, {})
  expect(choice).toMatchObject({ kinds: ['resid'], kind: 'resid', variants: [], shown: saes })
  expect(choice.ids).toBeUndefined()
})

it('begins with the residual stream and the middle sparsity of the narrowest, by rank at each site', () => {
  const saes = [0, 1].flatMap((layer) => [
    ...[11, 30, 90].map((l0) => sae(`blocks.${layer}.hook_resid_post`, 64, l0 + layer)),
    sae(`blocks.${layer}.hook_resid_post`, 128, 20),
    sae(`blocks.${layer}.hook_mlp_out`, 64, 11),
  ])
  const choice = chooseSites(saes, {})
  expect(choice.kinds).toEqual(['resid', 'mlp'])
  expect(choice.variants.map(({ name }) => name)).toEqual([
    '64, L0 11–12',
    '64, L0 30–31',
    '64, L0 90–91',
    '128, L0 20',
  ])
  expect(choice.ids).toEqual([
    's~blocks.0.hook_resid_post~width_64~l0_30',
    's~blocks.1.hook_resid_post~width_64~l0_31',
  ])
  expect(chooseSites(saes, { site: 'mlp' }).ids).toEqual(
    ids(saes.filter(({ hook }) => hook.endsWith('mlp_out'))),
  )
  expect(chooseSites(saes, { site: 'all', dictionary: 'all' }).ids).toBeUndefined()
  expect(chooseSites(saes, { site: 'attn', dictionary: '7.7' })).toEqual(choice)
})

it('asks the server for trained ones only, and shows the others', () => {
  const saes = [
    sae('blocks.0.hook_resid_post', 64, 8),
    sae('blocks.0.hook_resid_post', 64, 16, 'training'),
    sae('blocks.0.hook_mlp_out', 64, 16, 'waiting'),
  ]
  const choice = chooseSites(saes, { site: 'resid', dictionary: 'all' })
  expect(ids(choice.shown)).toEqual(ids(saes.slice(0, 2)))
  expect(choice.ids).toEqual([saes[0]!.id])
})
