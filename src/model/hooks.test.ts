import { describe, expect, it } from 'vitest'
import { expandHooks, hookNames, isBefore, isReadOnly } from './hooks.ts'

const hooks = hookNames({ n_layers: 3, parallel: false })

describe('expandHooks', () => {
  it('lists every site in the order of the pass', () => {
    expect(hooks).toHaveLength(2 + 3 * 7)
    expect(hooks.slice(0, 9)).toEqual([
      'hook_embed',
      'blocks.0.hook_resid_pre',
      'blocks.0.attn.hook_z',
      'blocks.0.hook_attn_out',
      'blocks.0.hook_resid_mid',
      'blocks.0.ln2.hook_normalized',
      'blocks.0.hook_mlp_out',
      'blocks.0.hook_resid_post',
      'blocks.1.hook_resid_pre',
    ])
    expect(hooks.at(-1)).toBe('ln_final.hook_normalized')
  })

  it('expands globs in the order of the pass, each hook once', () => {
    expect(expandHooks(['blocks.*.hook_resid_post', 'blocks.2.hook_*_out'], hooks)).toEqual([
      'blocks.0.hook_resid_post',
      'blocks.1.hook_resid_post',
      'blocks.2.hook_attn_out',
      'blocks.2.hook_mlp_out',
      'blocks.2.hook_resid_post',
    ])
    expect(expandHooks(['blocks.{0,2}.attn.hook_z', 'blocks.0.*'], hooks)).toHaveLength(7)
  })

  it('takes a site that can only be read where the glob spells it, and by no wildcard', () => {
    expect(expandHooks(['**', 'blocks.*', 'blocks.*.*'], hooks)).toEqual(
      hooks.filter((hook) => !isReadOnly(hook)),
    )
    const spelled = ['blocks.0.ln2.hook_normalized', 'blocks.2.ln2.hook_normalized']
    expect(expandHooks(spelled, hooks)).toEqual(spelled)
    expect(expandHooks(['blocks.{0,2}.ln2.*'], hooks)).toEqual(spelled)
    expect(hooks.filter(isReadOnly)).toHaveLength(3)
  })

  it('names the nearest hooks where a glob matches nothing', () => {
    expect(() => expandHooks(['blocks.1.hook_residpost'], hooks)).toThrow(
      'no hook matches "blocks.1.hook_residpost". Nearest: blocks.1.hook_resid_post',
    )
    expect(() => expandHooks(['blocks.3.hook_mlp_out'], hooks)).toThrow('blocks.2.hook_mlp_out')
  })
})

describe('isBefore', () => {
  it('is the order of the pass, in models of more than ten layers too', () => {
    const all = hookNames({ n_layers: 11, parallel: false })
    all.forEach((one, i) => {
      all.forEach((other, j) => {
        expect(isBefore(one, other)).toBe(i < j)
      })
    })
  })
})
