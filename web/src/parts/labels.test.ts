import { expect, test } from 'vitest'
import type { LabelView } from '../../../src/api/index.ts'
import { windowOf } from './Examples.tsx'
import { currentLabel } from './LabelEditor.tsx'

const label = (
  id: number,
  method: LabelView['method'],
  more: Partial<LabelView> = {},
): LabelView => ({
  id,
  sae: 's',
  latent: 0,
  text: `${method} ${id}`,
  method,
  author: 'x',
  created_at: `2026-01-0${id}T00:00:00Z`,
  evidence: '',
  ...more,
})

test('the label in use is by hand before by a model before lexical, and the newest of its kind', () => {
  const list = [label(3, 'lexical'), label(1, 'llm'), label(2, 'llm')]
  expect(currentLabel(list)?.id).toBe(2)
  expect(currentLabel([...list, label(1, 'manual')])?.method).toBe('manual')
})

test('a withdrawn label is not in use', () => {
  expect(currentLabel([label(1, 'manual', { retired_at: '2026-02-01' })])).toBeUndefined()
})

test('a disputed label gives way to any other, and is in use where there is none', () => {
  const disputed = label(3, 'manual', { disputed: true })
  expect(currentLabel([disputed, label(1, 'lexical')])?.method).toBe('lexical')
  expect(currentLabel([disputed])?.id).toBe(3)
})

test('the context of an example is cut at its ends', () => {
  const example = {
    interval: 0,
    doc: 1,
    start: 0,
    peak: 2,
    pieces: Array(9).fill('x'),
    values: Array(9).fill(0),
  }
  expect(windowOf(example, '5')).toEqual({ from: 0, to: 8 })
  expect(windowOf(example, '16')).toEqual({ from: 0, to: 9 })
})
