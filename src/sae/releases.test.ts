import { describe, expect, it } from 'vitest'
import { nearestL0, resolveRelease } from './releases.ts'

describe('short names', () => {
  it.each([
    ['gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71', 'google/gemma-scope-2b-pt-res', 'layer_20/width_16k/average_l0_71', 'google/gemma-2-2b'],
    ['gemma-scope-2b-pt-res-canonical/layer_20/width_16k/canonical', 'google/gemma-scope-2b-pt-res', 'layer_20/width_16k/average_l0_71', 'google/gemma-2-2b'],
    ['gemma-scope-2b-pt-res-canonical/layer_12/width_65k/canonical', 'google/gemma-scope-2b-pt-res', 'layer_12/width_65k/average_l0_72', 'google/gemma-2-2b'],
    ['gemma-scope-2b-pt-att-canonical/layer_0/width_16k/canonical', 'google/gemma-scope-2b-pt-att', 'layer_0/width_16k/average_l0_104', 'google/gemma-2-2b'],
    ['gemma-scope-2b-pt-mlp-canonical/layer_25/width_16k/canonical', 'google/gemma-scope-2b-pt-mlp', 'layer_25/width_16k/average_l0_126', 'google/gemma-2-2b'],
    ['gemma-scope-2b-pt-transcoders/layer_3/width_16k/average_l0_54', 'google/gemma-scope-2b-pt-transcoders', 'layer_3/width_16k/average_l0_54', 'google/gemma-2-2b'],
    ['gemma-scope-2b-pt-res/embedding/width_4k/average_l0_44', 'google/gemma-scope-2b-pt-res', 'embedding/width_4k/average_l0_44', 'google/gemma-2-2b'],
    ['gemma-scope-9b-pt-res-canonical/layer_20/width_131k/canonical', 'google/gemma-scope-9b-pt-res', 'layer_20/width_131k/average_l0_114', 'google/gemma-2-9b'],
    ['gemma-scope-9b-it-res/layer_20/width_16k/average_l0_91', 'google/gemma-scope-9b-it-res', 'layer_20/width_16k/average_l0_91', 'google/gemma-2-9b-it'],
    ['gemma-scope-27b-pt-res-canonical/layer_34/width_131k/canonical', 'google/gemma-scope-27b-pt-res', 'layer_34/width_131k/average_l0_72', 'google/gemma-2-27b'],
    ['gemma-scope-2-1b-pt/resid_post_all/layer_10_width_262k_l0_small', 'google/gemma-scope-2-1b-pt', 'resid_post_all/layer_10_width_262k_l0_small', 'google/gemma-3-1b-pt'],
    ['gemma-scope-2-4b-it-transcoders-all/layer_5_width_16k_l0_big_affine', 'google/gemma-scope-2-4b-it', 'transcoder_all/layer_5_width_16k_l0_big_affine', 'google/gemma-3-4b-it'],
    ['gemma-scope-2-270m-pt-res/layer_12_width_1m_l0_medium', 'google/gemma-scope-2-270m-pt', 'resid_post/layer_12_width_1m_l0_medium', 'google/gemma-3-270m-pt'],
    ['L15R-8x', 'fnlp/Llama3_1-8B-Base-LXR-8x', 'Llama3_1-8B-Base-L15R-8x', 'meta-llama/Llama-3.1-8B'],
    ['llama_scope_lxtc_32x/l8tc_32x', 'fnlp/Llama3_1-8B-Base-LXTC-32x', 'Llama3_1-8B-Base-L8TC-32x', 'meta-llama/Llama-3.1-8B'],
  ])('%s', (name, repository, folder, base_model) => {
    const { dialect, ...found } = resolveRelease(name)!
    expect(found).toEqual({ repository, folder, base_model })
    expect(dialect).toBe(name.startsWith('gemma-scope-2-') ? 'gemma-scope-2' : name.startsWith('gemma') ? 'gemma-scope' : 'llama-scope')
  }) // biome-ignore format: a table

  it('of canonical SAEs that the table lacks ask for the listing', () => {
    expect(resolveRelease('gemma-scope-9b-pt-mlp-canonical/layer_41/width_16k/canonical')).toEqual({
      dialect: 'gemma-scope',
      repository: 'google/gemma-scope-9b-pt-mlp',
      folder: 'layer_41/width_16k',
      base_model: 'google/gemma-2-9b',
      nearest_l0: 100,
    })
    expect(nearestL0([22, 41, 82, 176, 445], 100)).toBe(82)
    expect(nearestL0([120, 80], 100)).toBe(80)
    expect(nearestL0([], 100)).toBeUndefined()
  })

  it('of no release are left to others', () => {
    for (const name of [
      'google/gemma-2-2b',
      'my/suite',
      'gemma-scope-3b-pt-res/layer_1',
      'L15R',
      'models/x',
    ])
      expect(resolveRelease(name)).toBeUndefined()
  })

  it.each([
    ['gemma-scope-2b-pt-res/layer_26/width_16k/average_l0_71', 'gemma-scope-2b-pt-res has layers 0 to 25 of width 16k'],
    ['gemma-scope-2b-pt-res/layer_11/width_1m/average_l0_71', 'has layers 5, 12, 19 of width 1m'],
    ['gemma-scope-2b-pt-att/layer_11/width_32k/average_l0_71', 'has widths 16k, 65k'],
    ['gemma-scope-2b-pt-res/layer_11', 'expected gemma-scope-2b-pt-res/layer_<n>/width_<w>/average_l0_<n>'],
    ['gemma-scope-2-1b-pt/resid_post/layer_10_width_16k_l0_small', 'without _all there are layers 7, 13, 17, 22'],
    ['gemma-scope-2-1b-pt/clt/width_262k_l0_medium_affine', 'several layers at once'],
    ['gemma-scope-2-1b-pt/resid_post', 'then layer_<n>_width_'],
    ['L32R-8x', 'expected L<0 to 31>R-8x'],
    ['llama_scope_lxr_8x/l3m_8x', 'llama_scope_lxr_8x/l15r_8x'],
  ])('%s is refused', (name, message) => {
    expect(() => resolveRelease(name)).toThrow(message)
  }) // biome-ignore format: a table
})
