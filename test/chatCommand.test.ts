/** `hooke generate --chat`: a conversation in, only the answer out, ended where a turn ends. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../src/files/index.ts'
import { generate, openModel } from '../src/model/index.ts'
import { hooke } from './commandLine.ts'

const FIXTURES = join(packageRoot(), 'test/fixtures')
const SPECIAL = ['<pad>', '<eos>', '<bos>', '<unk>', '<start_of_turn>', '<end_of_turn>']

let folder: string
let model: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hooke-chat-'))
  model = join(folder, 'tiny-it')
  await cp(join(FIXTURES, 'gemma2-tiny'), model, { recursive: true })
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  )
  const vocab = Object.fromEntries([...SPECIAL, ...bytes].map((piece, id) => [piece, id]))
  const tokenizer = {
    added_tokens: SPECIAL.map((content, id) => ({ id, content, special: true })),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    model: { type: 'BPE', unk_token: '<unk>', byte_fallback: true, vocab, merges: [] },
  }
  await writeFile(join(model, 'tokenizer.json'), JSON.stringify(tokenizer))
  const settings = { add_bos_token: true, bos_token: '<bos>', eos_token: '<eos>' }
  await writeFile(join(model, 'tokenizer_config.json'), JSON.stringify(settings))
  await cp(join(FIXTURES, 'chat/gemma2.jinja'), join(model, 'chat_template.jinja'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Ids of the conversation [Hi], written by hand: bytes stand after the six special tokens. */
const text = (words: string): number[] => Array.from(Buffer.from(words), (byte) => byte + 6)
const HI = [2, 4, ...text('user\nHi'), 5, ...text('\n'), 4, ...text('model\n')]

async function sampled(ids: number[], max_tokens: number): Promise<{ id: number; text: string }[]> {
  const opened = await openModel(model, { threads: 1 })
  try {
    const options = { ids: Int32Array.from(ids), temperature: 9, seed: 4, max_tokens }
    return await Array.fromAsync(generate(opened, options), ({ id, text }) => ({ id, text }))
  } finally {
    await opened.close()
  }
}

const chat = (...more: string[]) =>
  hooke('generate', model, '--chat', '--threads', '1', '--temperature', '9', '--seed', '4', ...more)

describe('hooke generate --chat', () => {
  it('prints the answer alone', async () => {
    const expected = await sampled(HI, 9)
    const { code, message, printed } = await chat('--prompt', 'Hi', '--max-tokens', '9')
    expect(message).toBe('')
    expect(code).toBe(0)
    expect(printed.replaceAll('\n', '')).toBe(
      expected
        .map(({ text }) => text)
        .join('')
        .replaceAll('\n', ''),
    )
    expect(printed).not.toContain('Hi')
  })

  it('goes on with turns from a file', async () => {
    const turns = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Yo' },
    ]
    const path = join(folder, 'turns.json')
    await writeFile(path, JSON.stringify(turns))
    const { printed } = await chat(
      '--messages',
      path,
      '--prompt',
      '<eos>?',
      '--max-tokens',
      '3',
      '--json',
    )
    const { prompt, tokens } = JSON.parse(printed) as { prompt: string; tokens: { id: number }[] }
    expect(prompt).toBe(
      '<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nYo<end_of_turn>\n<start_of_turn>user\n<eos>?<end_of_turn>\n<start_of_turn>model\n',
    )
    const ids = [...HI, ...text('Yo'), 5, ...text('\n'), 4, ...text('user\n<eos>?'), 5]
    const expected = await sampled([...ids, ...text('\n'), 4, ...text('model\n')], 3)
    expect(tokens.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
  })

  it('ends where generation_config.json says that a turn ends', async () => {
    const answer = await sampled(HI, 9)
    const end = answer.findIndex(({ id }, i) => i > 0 && answer.findIndex((t) => t.id === id) === i)
    expect(end).toBeGreaterThan(0)
    const path = join(model, 'generation_config.json')
    await writeFile(path, JSON.stringify({ eos_token_id: [1, answer[end]!.id] }))
    try {
      const { printed } = await chat('--prompt', 'Hi', '--max-tokens', '9', '--json')
      const found = JSON.parse(printed) as { text: string; tokens: { id: number }[] }
      expect(found.tokens.map(({ id }) => id)).toEqual(answer.slice(0, end + 1).map(({ id }) => id))
      expect(found.text.length).toBeLessThanOrEqual(end)
    } finally {
      await rm(path)
    }
  })

  it('says what is wrong, and what to do', async () => {
    const refused = await chat('--prompt', 'Hi', '--system', 'Be brief.')
    expect(refused.code).toBe(1)
    expect(refused.message).toContain(
      'tiny-it refuses this conversation: System role not supported',
    )
    const base = await hooke('generate', 'thimble-5m', '--chat', '--prompt', 'Hi')
    expect(base.code).toBe(1)
    expect(base.message).toContain('thimble-5m has no chat template')
    const none = await chat()
    expect(none).toMatchObject({
      code: 2,
      message: expect.stringContaining('--chat needs --prompt'),
    })
    const without = await hooke('generate', model, '--prompt', 'Hi', '--system', 'Be brief.')
    expect(without).toMatchObject({ code: 2, message: expect.stringContaining('need --chat') })
    const path = join(folder, 'bad.json')
    for (const content of ['{', '{}', '[]', '[{"role": 3}]']) {
      await writeFile(path, content)
      const bad = await chat('--messages', path)
      expect(bad, content).toMatchObject({ code: 2, message: expect.stringContaining('JSON list') })
    }
  })
})
