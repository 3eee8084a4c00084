import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { writeWordEncoder } from '../../test/wordEncoder.ts'
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
  await writeWordEncoder(folder, WORDS, 8)
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
