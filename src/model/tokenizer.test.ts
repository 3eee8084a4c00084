import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { memoryFolder, readFolder } from '../../test/memoryFolder.ts'
import { packageRoot } from '../files/index.ts'
import { gemma2 } from './architectures/gemma2.ts'
import { openRandom } from './random.ts'
import { openTokenizer } from './tokenizer.ts'

const THIMBLE = join(packageRoot(), 'models/thimble-5m')
const files = readFolder(THIMBLE)
const config = gemma2.parseConfig('config.json', JSON.parse(files['config.json']!.toString()))
const tokenizer = (await openTokenizer(memoryFolder('thimble', files), config))!
const golden = JSON.parse(readFileSync(join(THIMBLE, 'golden.json'), 'utf8')) as {
  tokenization: [string, number[]][]
}

const roundTrip = (text: string): string => tokenizer.detokenize(tokenizer.tokenize(text))

describe('tokenizer', () => {
  it.each(golden.tokenization)('cuts %j as SentencePiece does', (text, ids) => {
    expect([...tokenizer.tokenize(text, { bos: false })]).toEqual(ids)
    expect([...tokenizer.tokenize(text)]).toEqual([2, ...ids])
    expect(roundTrip(text)).toBe(text)
  })

  it.each([
    '',
    ' ',
    '     five',
    '\n\n\t\ttabs\r\nand lines\n',
    '👩‍👩‍👧‍👦 family 🇳🇱 flags é e\u0301',
    '日本語 и русский \u0000 \u007f \ufeff \u200b',
    '<bos> and <eos>, <pad> and <unk> as text',
    '<0x41> as text, <|endoftext|>',
    '<start_of_turn>user\nHi<end_of_turn>',
  ])('gives back %j', (text) => {
    expect(roundTrip(text)).toBe(text)
  })

  it('gives back random text of any characters', () => {
    const random = openRandom(11)
    for (let i = 0; i < 200; i++) {
      const points = Array.from({ length: 17 }, () => {
        const point = Math.floor(random() ** 4 * 0x10ffff)
        const surrogate = point >= 0xd800 && point < 0xe000
        return surrogate || point === 0x2581 ? 0x20 : point
      })
      const text = String.fromCodePoint(...points)
      expect(roundTrip(text)).toBe(text)
    }
  })

  it('takes a control token written in a text for text, and leaves the real one out of it', () => {
    expect(tokenizer.tokenize('<bos><eos>', { bos: false })).not.toContain(2)
    expect(tokenizer.tokenize('<bos><eos>', { bos: false })).not.toContain(1)
    expect(tokenizer.detokenize([2, 420, 1, 0, 3])).toBe(tokenizer.detokenize([420]))
  })

  it('shows pieces with spaces, bytes as <0x..>, and knows the special ids', () => {
    expect(tokenizer.pieces).toHaveLength(4096)
    expect(tokenizer.pieces[266]).toBe(' the')
    expect(tokenizer.pieces[16]).toBe('<0x0A>')
    expect(tokenizer.pieces[2]).toBe('<bos>')
    expect([...tokenizer.special_ids].sort()).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('shows half a character as U+FFFD', () => {
    const ids = [...tokenizer.tokenize('🙂', { bos: false })]
    expect(tokenizer.detokenize(ids.slice(0, -1))).toContain('\uFFFD')
  })

  it('is absent where there is no tokenizer.json, and refuses one for another model', async () => {
    expect(await openTokenizer(memoryFolder('none', {}), config)).toBeUndefined()
    const small = { ...config, d_vocab: 320 }
    await expect(openTokenizer(memoryFolder('thimble', files), small)).rejects.toThrow(
      'has ids up to 4095, the model 320 of them',
    )
    const broken = memoryFolder('thimble', { 'tokenizer.json': '{"model": 3}' })
    await expect(openTokenizer(broken, config)).rejects.toThrow('is not a tokenizer.json')
  })
})
