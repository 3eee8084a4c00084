import { expect, test } from 'vitest'
import { siteNames } from './comparison.ts'

test('dictionaries at one site are told apart by width and L0, others by their place alone', () => {
  const sae = (hook: string, width: string, l0: number) => ({
    sae: `a~${hook}~width_${width}~l0_${l0}`,
    hook,
  })
  const stream = 'blocks.3.hook_resid_post'
  const sites = [
    sae(stream, '2k', 32),
    sae(stream, '16k', 64),
    sae('blocks.3.hook_mlp_out', '2k', 32),
  ]
  expect(siteNames(sites)).toEqual(['layer 3 2k · 32', 'layer 3 16k · 64', 'layer 3 mlp'])
})
