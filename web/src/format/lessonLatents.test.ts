import { expect, test } from 'vitest'
import type { LatentView } from '../../../src/api/index.ts'
import { inLessonOrder, lessonCandidates, middleSaes } from './lessonLatents.ts'
import type { ListedLatent } from './wordLatents.ts'

const listed = (index: number, density: number, ...top_tokens: string[]): ListedLatent => ({
  sae: 's~blocks.1.hook_resid_post~width_8~l0_2',
  hook: 'blocks.1.hook_resid_post',
  index,
  density,
  top_tokens,
  label: `label ${index}`,
})

/** A latent whose `n` strongest examples peak at a word, with that word raised or not, and a score or none. */
function view(
  index: number,
  options: { n?: number; raises?: boolean; score?: number },
): LatentView {
  const { n = 6, raises = false, score } = options
  const example = {
    interval: 0,
    doc: 0,
    start: 0,
    peak: 1,
    pieces: ['The', ' river'],
    values: [0, 1],
  }
  const label = { text: 'rivers', score, method: 'llm' }
  return {
    index,
    examples: Array.from({ length: n }, () => example),
    top_logits: raises ? [{ piece: ' River', effect: 1 }] : [],
    labels: [label],
  } as unknown as LatentView
}

test('the middle third of the dictionaries that are indexed, and never none of one', () => {
  const saes = [0, 1, 2, 3, 4, 5].map((layer) => ({ layer, state: 'labelled' as const }))
  expect(middleSaes(saes).map(({ layer }) => layer)).toEqual([2, 3])
  expect(middleSaes([{ state: 'indexed' }])).toHaveLength(1)
  expect(middleSaes([{ state: 'trained' }, { state: 'training' }])).toEqual([])
})

test('classes of words come first, then middling densities; what never fires is no lesson', () => {
  const words = listed(4, 0.001, ' March', ' April', ' June')
  const latents = [listed(0, 0.4), listed(1, 0), listed(2, 0.004), listed(3, 0.00001), words]
  expect(lessonCandidates(latents, 9).map(({ index }) => index)).toEqual([4, 2, 0, 3])
  expect(lessonCandidates(latents, 2).map(({ index }) => index)).toEqual([4, 2])
})

test('well scored before unscored before badly scored, what raises its words first among equals', () => {
  const views = [
    view(0, { score: 0.5, raises: true }),
    view(1, {}),
    view(2, { raises: true }),
    view(3, { score: 0.95 }),
    view(4, { n: 4, score: 0.99 }),
  ]
  expect(inLessonOrder(views).map(({ index }) => index)).toEqual([3, 2, 1, 0])
})
