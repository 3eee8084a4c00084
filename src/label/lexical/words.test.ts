import { expect, it } from 'vitest'
import { pieceText, readWords } from './words.ts'

it.each([
  ['<0x0A>', '\n'],
  [' caf<0xC3>', ' caf\ufffd'],
  ['<0xE2><0x80>', '\ufffd\ufffd'],
  ['<bos>', '<bos>'],
])('the piece %j is the text %j', (piece, text) => {
  expect(pieceText(piece)).toBe(text)
})

it('bytes within a word are neither special nor a space', () => {
  const pieces = ['<bos>', ' caf<0xC3>', '<0xA9>', '<0xE2><0x80>']
  expect(readWords([0, 1, 2, 3], pieces).map(({ kind }) => kind)).toEqual([
    ...['special', 'word', 'sign', 'sign'],
  ])
})
