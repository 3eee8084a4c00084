import { expect, it } from 'vitest'
import { firstSentences } from './suiteFile.ts'

it('keeps a short text whole, on one line', () => {
  expect(firstSentences('  The sea\n\nis wide. ')).toBe('The sea is wide.')
})

it('cuts at the last sentence that fits', () => {
  expect(firstSentences('One came. Two went. Three stayed at home all day.', 24)).toBe(
    'One came. Two went.',
  )
})

it('cuts at a word where no sentence fits', () => {
  expect(firstSentences('a sentence that goes on and on without an end', 20)).toBe(
    'a sentence that goes',
  )
})

it('cuts a word where even that does not fit', () => {
  expect(firstSentences('x'.repeat(50), 10).length).toBeGreaterThan(0)
})
