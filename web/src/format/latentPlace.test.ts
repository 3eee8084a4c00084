import { expect, test } from 'vitest'
import { latentsAt } from './latentPlace.ts'

const saes = [3, 4].flatMap((layer) =>
  ['hook_resid_post', 'hook_mlp_out'].map((site) => ({
    id: `s~blocks.${layer}.${site}~width_64~l0_8`,
    hook: `blocks.${layer}.${site}`,
    layer,
    d_sae: 64,
  })),
)
const found = (text: string) => latentsAt(text, saes).map(({ hook, index }) => `${hook}/${index}`)

test('a hook and an index are one latent, however they are written', () => {
  for (const text of ['blocks.3.hook_resid_post/7', 'layer 3 · 7', ' Layer 3/7 ', 'layer 3 7'])
    expect(found(text), text).toEqual(['blocks.3.hook_resid_post/7'])
  expect(found('layer 4 mlp · 9')).toEqual(['blocks.4.hook_mlp_out/9'])
})

test('a layer is every site of it, a part of a hook every one with it, a bare index every dictionary', () => {
  expect(found('3/7')).toEqual(['blocks.3.hook_resid_post/7', 'blocks.3.hook_mlp_out/7'])
  expect(found('mlp_out/0')).toEqual(['blocks.3.hook_mlp_out/0', 'blocks.4.hook_mlp_out/0'])
  expect(found('12')).toHaveLength(4)
})

test('what is no latent of these dictionaries is none', () => {
  for (const text of ['sea', '3/64', '5/1', 'October 19', '3/', '', '-1', '3/1.5'])
    expect(found(text), text).toEqual([])
})
