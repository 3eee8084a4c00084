import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { onnxGraph } from '../formats/index.ts'
import { settleAsking } from './asking.ts'
import { isFree, judgeOf, openJudges } from './judges.ts'

/** What sails lies along the first axis, what shines along the second. */
const WORDS = {
  '[PAD]': [9, 9],
  '[UNK]': [0, 0],
  '[CLS]': [0, 0],
  '[SEP]': [0, 0],
  sea: [5, 0],
  ship: [4, 3],
  moon: [0, 5],
}
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hooke-judges-'))
  const words = Object.keys(WORDS)
  const id = (word: string) => words.indexOf(word)
  const special = (word: string) => ({ [word]: { id: word, ids: [id(word)], tokens: [word] } })
  const tokenizer = {
    version: '1.0',
    added_tokens: words.slice(0, 4).map((content, i) => ({ id: i, content, special: true })),
    truncation: null,
    padding: null,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: { ...special('[CLS]'), ...special('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, i) => [word, i])),
    },
  }
  const graph = onnxGraph('encoder')
  const ids = graph.input('input_ids', 'I64', ['batch', 'tokens'])
  graph.input('attention_mask', 'I64', ['batch', 'tokens'])
  const values = new Uint8Array(Float32Array.from(Object.values(WORDS).flat()).buffer)
  const table = graph.constant('table', 'F32', [words.length, 2], values)
  const rows = graph.node('Gather', [table, ids])
  graph.output('last_hidden_state', rows, 'F32', ['batch', 'tokens', 2])
  await mkdir(join(folder, 'onnx'))
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  await writeFile(join(folder, 'config.json'), JSON.stringify({ max_position_embeddings: 8 }))
  await writeFile(join(folder, 'onnx/model.onnx'), graph.finish())
})
afterAll(() => rm(folder, { recursive: true }))

const options = { signal: new AbortController().signal, onProgress: () => {} }

it('embeds on this machine where an encoder is known, and asks nobody else', async () => {
  const encoder = { kind: 'onnx', model: folder } as const
  const judges = await openJudges(
    { out: folder, scorers: ['lexical', 'embedding'], encoder },
    options,
  )
  try {
    expect(judges.asks).toBe(false)
    const { text } = await judges.asker.ask({
      kind: 'similarity',
      purpose: 'embedding h/1',
      query: 'sea',
      texts: ['sea sea', 'ship', 'moon'],
    })
    expect(JSON.parse(text)).toEqual([1, 0.8, 0].map((x) => expect.closeTo(x, 6)))
  } finally {
    await judges.close()
  }
  const ask = settleAsking({ provider: 'openai' })
  expect(judgeOf('embedding', { ask, encoder })).toBe(folder)
  expect(judgeOf('embedding', { ask })).toBe('text-embedding-3-small')
  expect([isFree('embedding', { ask }), isFree('embedding', { encoder })]).toEqual([false, true])
})

it('says who is missing', async () => {
  const open = (scorer: 'detection' | 'embedding', provider?: 'anthropic') =>
    openJudges(
      {
        out: folder,
        scorers: [scorer],
        ...(provider ? { ask: settleAsking({ provider }) } : {}),
      },
      options,
    )
  await expect(open('detection')).rejects.toThrow('the detection scorer asks a language model')
  await expect(open('embedding', 'anthropic')).rejects.toThrow('anthropic has no embedding model')
})
