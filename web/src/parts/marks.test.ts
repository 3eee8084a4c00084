import { expect, test } from 'vitest'
import type { LatentView } from '../../../src/api/index.ts'
import { warningsOf } from './LatentMarks.tsx'

const usual = { density: 0.01, n_active: 500, neighbours: [{ cosine: 0.5 }] } as LatentView

test('a latent of the usual kind has nothing to mind', () => {
  expect(warningsOf(usual)).toEqual([])
  expect(warningsOf({ ...usual, neighbours: [] })).toEqual([])
})

test('what is unusual is said, each with its number', () => {
  const twin = [{ cosine: 0.4 }, { cosine: 0.971 }] as LatentView['neighbours']
  expect(warningsOf({ ...usual, density: 0.123, neighbours: twin })).toEqual([
    'dense: on at 12 % of tokens',
    'has a near twin, cosine 0.97',
  ])
  expect(warningsOf({ ...usual, n_active: 12 })).toEqual(['rare: 12 activations in all'])
  expect(warningsOf({ ...usual, density: 0, n_active: 0 })).toEqual([
    'never fired in the corpus that was counted',
  ])
})
