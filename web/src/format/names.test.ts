import { expect, test } from 'vitest'
import { briefLabel, latentKey, parseLatentKey, saeName, siteName, visiblePiece } from './names.ts'

test('hooks have the short names of their sites', () => {
  expect(
    [
      'blocks.3.hook_resid_post',
      'blocks.12.hook_mlp_out',
      'blocks.0.attn.hook_z',
      'blocks.2.ln2.hook_normalized',
      'hook_embed',
    ].map(siteName),
  ).toEqual(['layer 3', 'layer 12 mlp', 'layer 0 z', 'layer 2 mlp in', 'embed'])
})

test('an SAE id is taken apart, and one of another form is shown whole', () => {
  expect(saeName('thimble-5m~blocks.3.hook_resid_post~width_2k~l0_32')).toEqual({
    suite: 'thimble-5m',
    hook: 'blocks.3.hook_resid_post',
    width: '2k',
    l0: '32',
  })
  expect(saeName('odd').hook).toBe('odd')
})

test('a latent key goes there and back, and nonsense is not one', () => {
  expect(parseLatentKey(latentKey('a~b~width_2k~l0_3', 41))).toEqual({
    sae: 'a~b~width_2k~l0_3',
    index: 41,
  })
  for (const bad of [undefined, '', '/3', 'a', 'a/', 'a/-1', 'a/1.5', 'a/x'])
    expect(parseLatentKey(bad)).toBeUndefined()
})

test('nothing in a piece is invisible or turns its surroundings around', () => {
  expect(visiblePiece(' a\n', 'shown')).toBe('␣a↵')
  expect(visiblePiece('a\u202eb\u200b\u0007')).toBe('a·b··')
  expect(visiblePiece('')).toBe('∅')
})

test('a label in a cell is its head: what else a lexical one names is left out', () => {
  expect(briefLabel('“before” after a comma; also “once”, “above”')).toBe('“before” after a comma')
  expect(briefLabel('“; ” in lists; also “or”')).toBe('“; ” in lists')
  expect(briefLabel('; only')).toBe('; only')
})

test('a label in a cell ends its list after a whole item', () => {
  expect(briefLabel('comma')).toBe('comma')
  expect(briefLabel('“G…” in Good, Griselda, Greed')).toBe('“G…” in Good, Griselda, Greed')
  expect(briefLabel('“G…” in Good, Go, Give after a quotation mark', 30)).toBe(
    '“G…” in Good, Go, Give',
  )
  expect(briefLabel('capitalised words: Dad, Snowdrops, Crop', 30)).toBe('capitalised words: Dad')
  expect(briefLabel('“South”, “North Sea” then “America”, “Africa”', 30)).toBe(
    '“South”, “North Sea”',
  )
})
