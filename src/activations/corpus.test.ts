import { describe, expect, it } from 'vitest'
import { characters } from '../../test/fakeModel.ts'
import {
  corpusOfTexts,
  countDocuments,
  sampleCorpus,
  selectDocuments,
  splitCorpus,
  textStart,
} from './corpus.ts'
import type { TokenCorpus } from './types.ts'

const documents = (corpus: TokenCorpus) =>
  Array.from({ length: countDocuments(corpus) }, (_, doc) =>
    characters.detokenize(corpus.ids.subarray(corpus.doc_start[doc], corpus.doc_start[doc + 1])),
  )

describe('a corpus', () => {
  it('puts one BOS in front of every document and cuts long texts at n_ctx, BOS included', () => {
    const corpus = corpusOfTexts(['abcdefgh', 'xy'], characters, { n_ctx: 4 })
    const [a, b, c, d, e, f, g, h, x, y] = 'abcdefghxy'
    const code = (char: string | undefined) => char!.charCodeAt(0)
    expect([...corpus.ids]).toEqual(
      [2, a, b, c, 2, d, e, f, 2, g, h, 2, x, y].map((v) => (v === 2 ? 2 : code(v as string))),
    )
    expect([...corpus.doc_start]).toEqual([0, 4, 8, 11, 14])
    expect([...corpus.doc_text!]).toEqual([0, 0, 0, 1])
    expect(corpus.files).toEqual([{ name: 'memory', n_docs: 4, n_tokens: 14 }])
  })

  it('has a hash that changes with ids and with borders', () => {
    const hash = (texts: string[], n_ctx = 9) => corpusOfTexts(texts, characters, { n_ctx }).hash
    expect(hash(['abc', 'de'])).toBe(hash(['abc', 'de']))
    const others = [hash(['abd', 'de']), hash(['abc', 'd']), hash(['abc', 'de'], 3)]
    expect(others).not.toContain(hash(['abc', 'de']))
  })

  it('refuses a context without room for a token, and text without tokens', () => {
    expect(() => corpusOfTexts(['a'], characters, { n_ctx: 1 })).toThrow(/n_ctx is 1/)
    expect(() => corpusOfTexts([''], characters, { n_ctx: 8 })).toThrow(/holds no text/)
  })

  it('keeps counts by file when documents are selected', () => {
    const corpus = corpusOfTexts(['ab', 'cd', 'ef'], characters, { n_ctx: 9 })
    const kept = selectDocuments(corpus, (doc) => doc !== 1)
    expect(documents(kept)).toEqual(['ab', 'ef'])
    expect(kept.files).toEqual([{ name: 'memory', n_docs: 2, n_tokens: 6 }])
    expect([...kept.doc_text!]).toEqual([0, 2])
    expect(kept.hash).not.toBe(corpus.hash)
  })
})

describe('sampleCorpus', () => {
  const corpus = corpusOfTexts(
    Array.from({ length: 40 }, (_, i) => String.fromCharCode(97 + (i % 26)).repeat(1 + (i % 5))),
    characters,
    { n_ctx: 16 },
  )
  const tokens = (part: TokenCorpus) => part.ids.length - countDocuments(part)

  it('holds just enough documents, whole, from all over the corpus and in its order', () => {
    const part = sampleCorpus(corpus, { n_tokens: 50, seed: 1 })
    expect(tokens(part)).toBeGreaterThanOrEqual(50)
    expect(tokens(part)).toBeLessThan(50 + 5)
    const [all, some] = [documents(corpus), documents(part)]
    const places = some.map((text) => all.indexOf(text))
    expect(places.every((place) => place >= 0)).toBe(true)
    expect(Math.max(...places)).toBeGreaterThan(20)
    expect(sampleCorpus(corpus, { n_tokens: 50, seed: 1 })).toEqual(part)
    expect(sampleCorpus(corpus, { n_tokens: 50, seed: 2 }).hash).not.toBe(part.hash)
  })

  it('is the corpus itself where that holds no more', () => {
    expect(sampleCorpus(corpus, { n_tokens: tokens(corpus), seed: 1 })).toBe(corpus)
  })
})

describe('splitCorpus', () => {
  const texts = Array.from({ length: 40 }, (_, i) => `text ${i} `.repeat(3))

  it('holds out about the share asked for and shares no text between the halves', () => {
    const corpus = corpusOfTexts(texts, characters, { n_ctx: 9 })
    const { train, held_out } = splitCorpus(corpus, { held_out: 0.1 })
    expect(held_out.ids.length / corpus.ids.length).toBeGreaterThan(0.09)
    expect(held_out.ids.length / corpus.ids.length).toBeLessThan(0.14)
    expect(train.ids.length + held_out.ids.length).toBe(corpus.ids.length)
    const shared = [...train.doc_text!].filter((text) => held_out.doc_text!.includes(text))
    expect(shared).toEqual([])
  })

  it('depends on the seed, not on the order of texts', () => {
    const split = (order: string[], seed: number) => {
      const corpus = corpusOfTexts(order, characters, { n_ctx: 64 })
      return documents(splitCorpus(corpus, { held_out: 0.2, seed }).held_out).sort()
    }
    expect(split(texts, 3)).toEqual(split(texts.toReversed(), 3))
    expect(split(texts, 3)).not.toEqual(split(texts, 4))
  })

  it('keeps copies of a text on one side', () => {
    const corpus = corpusOfTexts([...texts, ...texts], characters, { n_ctx: 64 })
    const { train, held_out } = splitCorpus(corpus, { held_out: 0.25, seed: 1 })
    const trained = new Set(documents(train))
    expect(documents(held_out).filter((text) => trained.has(text))).toEqual([])
  })

  it('cuts a single text once, near its end', () => {
    const corpus = corpusOfTexts(['abcdefghij'], characters, { n_ctx: 3 })
    const { train, held_out } = splitCorpus(corpus, { held_out: 0.3 })
    expect(documents(train)).toEqual(['ab', 'cd', 'ef'])
    expect(documents(held_out)).toEqual(['gh', 'ij'])
  })

  it('refuses what cannot be split', () => {
    const one = corpusOfTexts(['ab'], characters, { n_ctx: 9 })
    expect(() => splitCorpus(one, { held_out: 0.1 })).toThrow(/1 document, expected at least 2/)
    expect(() => splitCorpus(one, { held_out: 1 })).toThrow(/held_out is 1/)
  })
})

it('puts nothing in front of documents where the tokenizer does not', () => {
  const bare = { ...characters, bos: undefined }
  const corpus = corpusOfTexts(['abcde', 'fg'], bare, { n_ctx: 3 })
  expect(documents(corpus)).toEqual(['abc', 'de', 'fg'])
  expect([...corpus.doc_start]).toEqual([0, 3, 5, 7])
  expect([0, 1].map((doc) => textStart(corpus, doc))).toEqual([0, 3])
  expect(sampleCorpus(corpus, { n_tokens: 7, seed: 1 })).toBe(corpus)
  const led = corpusOfTexts(['abcde', 'fg'], characters, { n_ctx: 3 })
  expect([...led.doc_start]).toEqual([0, 3, 6, 8, 11])
  expect([0, 1].map((doc) => textStart(led, doc))).toEqual([1, 4])
})
