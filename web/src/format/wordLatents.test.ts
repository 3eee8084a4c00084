import { expect, test } from 'vitest'
import { type ListedLatent, raisers, wordLatents, wordsOf } from './wordLatents.ts'

const latent = (index: number, top_tokens: string[], more: Partial<ListedLatent> = {}) => ({
  sae: 's',
  hook: 'blocks.1.hook_resid_post',
  index,
  label: `latent ${index}`,
  density: 0.001,
  max_act: index,
  top_tokens,
  ...more,
})
const months = [' June', ' July', ' April']

test('words are whole, of four letters or more, and counted once whatever their case', () => {
  expect(wordsOf({ top_tokens: [' June', 'June', ' june', ' in', ' sc', ' 1903', '.'] })).toEqual([
    'june',
  ])
})

test('latents of most words come first, stronger ones first among equals, one of a kind', () => {
  const list = [
    latent(1, months),
    latent(2, months),
    latent(3, [' John', ' Charles', ' George', ' James']),
    latent(4, [' south', ' to', 'ern']),
  ]
  expect(wordLatents(list, 5).map(({ index }) => index)).toEqual([3, 2])
  expect(wordLatents(list, 1).map(({ index }) => index)).toEqual([3])
})

test('a latent without a label, with a doubtful one, too rare or too dense is left out', () => {
  const { label: _, ...bare } = latent(1, months)
  const others = [{ label: 'perhaps months' }, { density: 0.2 }, { density: 1e-6 }]
  expect(wordLatents([bare, ...others.map((o) => latent(2, months, o))], 5)).toEqual([])
})

test('a latent raises its words where two or more of them are among its raised tokens', () => {
  const raised = (...pieces: string[]) => pieces.map((piece) => ({ piece }))
  const candidates = [
    { latent: latent(1, months), raised: raised(' June', ' sea') },
    { latent: latent(2, months), raised: raised(' June', ' July', ' May') },
    { latent: latent(3, months), raised: raised(' april', ' July', ' June') },
  ]
  expect(raisers(candidates).map(({ index }) => index)).toEqual([3, 2])
})
