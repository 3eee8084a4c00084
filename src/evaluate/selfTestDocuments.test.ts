import { expect, it } from 'vitest'
import type { Model } from '../model/index.ts'
import { batchDocuments, otherwiseBegun, testDocuments } from './selfTestDocuments.ts'

const BOS = 1
const PAD = 0

/** A model whose tokens are letters: a is 10; with BOS in front where the tokenizer puts one there. */
function letters(bos: number | undefined, n_ctx = 5): Model {
  const tokenize = (text: string) =>
    Int32Array.of(
      ...(bos === undefined ? [] : [bos]),
      ...[...text].map((c) => c.charCodeAt(0) - 87),
    )
  const config = { n_ctx, bos_token_id: BOS, eos_token_ids: [2], pad_token_id: PAD }
  const tokenizer = { tokenize, special_ids: new Set([BOS, 2, PAD]) }
  return { name: 'letters', config, tokenizer } as unknown as Model
}

const list = (documents: readonly Int32Array[]) => documents.map((ids) => [...ids])

it('texts become documents of at most the context, each begun with BOS, up to the tokens asked for', () => {
  const { documents, ...counts } = testDocuments(letters(BOS), ['abcdef', 'gh', 'ijk'], 9)
  expect(list(documents)).toEqual([
    [BOS, 10, 11, 12, 13],
    [BOS, 14, 15],
    [BOS, 16, 17],
    [BOS, 18],
  ])
  expect(counts).toEqual({ n_tokens: 9, n_excluded: 4 })
})

it('without BOS where the tokenizer puts none in front', () => {
  const { documents, ...counts } = testDocuments(letters(undefined), ['abcdef', 'gh'], 100)
  expect(list(documents)).toEqual([[10, 11, 12, 13, 14], [15], [16, 17]])
  expect(counts).toEqual({ n_tokens: 8, n_excluded: 0 })
})

it('begun the other way: BOS taken off, or put in front within the context', () => {
  const led = [Int32Array.of(BOS, 10, 11), Int32Array.of(BOS)]
  const bare = otherwiseBegun(letters(BOS), led)!
  expect({ ...bare, documents: list(bare.documents) }).toEqual({
    hasBos: false,
    documents: [[10, 11]],
  })
  const plain = [Int32Array.of(10, 11, 12, 13, 14), Int32Array.of(15)]
  const begun = otherwiseBegun(letters(undefined), plain)!
  expect({ ...begun, documents: list(begun.documents) }).toEqual({
    hasBos: true,
    documents: [
      [BOS, 10, 11, 12, 13],
      [BOS, 15],
    ],
  })
  const { bos_token_id: _, ...config } = letters(undefined).config
  const without = { ...letters(undefined), config } as Model
  expect(otherwiseBegun(without, plain)).toBeUndefined()
})

it('batches hold what fits, and say where tokens count', () => {
  const documents = [[BOS, 10, 11], [BOS, 12], [BOS, 13, 14, 15], [16]].map((ids) =>
    Int32Array.from(ids),
  )
  const batches = [...batchDocuments(letters(BOS), documents, 6)]
  expect(
    batches.map(({ batch, at, special_at }) => ({
      ids: [...batch.ids],
      lengths: [...batch.lengths],
      at: [...at],
      special_at: [...special_at],
    })),
  ).toEqual([
    { ids: [BOS, 10, 11, BOS, 12, PAD], lengths: [3, 2], at: [1, 2, 4], special_at: [0, 3] },
    { ids: [BOS, 13, 14, 15], lengths: [4], at: [1, 2, 3], special_at: [0] },
    { ids: [16], lengths: [1], at: [0], special_at: [] },
  ])
})
