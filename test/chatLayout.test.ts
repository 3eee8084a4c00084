/** Who says what of a conversation, in the templates and tokenizers of several families. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageRoot } from '../src/files/index.ts'
import { tokenizeChat } from '../src/model/index.ts'
import { openTokenizer } from '../src/model/tokenizer.ts'
import { chatKinds } from '../src/steer/chatLayout.ts'
import { fakeModel } from './fakeModel.ts'
import { memoryFolder, readFolder } from './memoryFolder.ts'

const FIXTURES = join(packageRoot(), 'test/fixtures')
const { config } = fakeModel(() => 0, {})
const ids = { bos_token_id: undefined, eos_token_ids: [], pad_token_id: 0 }

/** The tokenizer of a kind with a template: one of the fixtures', or its text. */
async function openSpeaker(kind: string, template: string) {
  const held = readFolder(join(FIXTURES, 'tokenizers', kind))
  const { d_vocab } = JSON.parse(held['expected.json']!.toString()) as { d_vocab: number }
  const chat_template = template.includes('{')
    ? template
    : readFileSync(join(FIXTURES, `chat/${template}.jinja`), 'utf8')
  const folder = memoryFolder(kind, { ...held, 'chat_template.jinja': chat_template })
  const tokenizer = (await openTokenizer(folder, { ...config, ...ids, d_vocab }))!
  return { name: kind, tokenizer }
}

type Said = { role: 'user' | 'assistant'; content: string }
const user = (content: string): Said => ({ role: 'user', content })
const assistant = (content: string): Said => ({ role: 'assistant', content })

/** Runs of tokens of the same kind, as text; what is special is its piece. */
async function runsOf(kind: string, template: string, messages: readonly Said[]) {
  const model = await openSpeaker(kind, template)
  const ids = tokenizeChat(model, messages)
  const kinds = chatKinds(model, messages, ids)
  const runs: { kind: string; text: string }[] = []
  const { special_ids, pieces, openText } = model.tokenizer
  const stream = openText()
  for (const [i, kind] of kinds?.entries() ?? []) {
    if (runs.at(-1)?.kind !== kind) runs.push({ kind, text: '' })
    runs.at(-1)!.text += special_ids.has(ids[i]!) ? pieces[ids[i]!]! : stream.push(ids[i]!)
  }
  return runs.map(({ kind, text }) => `${kind}: ${text}`)
}

const TURNS = [
  user(' Who keeps the light? '),
  assistant('The keeper 🗼 does.'),
  user('model\nuser'),
]

describe('the tokens of a conversation', () => {
  it('of Gemma 2 are the messages without what the template trims, and its frame', async () => {
    expect(await runsOf('gemma', 'gemma2', TURNS)).toEqual([
      'frame: <bos><start_of_turn>user\n',
      'prompt: Who keeps the light?',
      'frame: <end_of_turn>\n<start_of_turn>model\n',
      'answer: The keeper 🗼 does.',
      'frame: <end_of_turn>\n<start_of_turn>user\n',
      'prompt: model\nuser',
      'frame: <end_of_turn>\n<start_of_turn>model\n',
    ])
  })

  it('of Llama 3', async () => {
    const runs = await runsOf('llama3', 'llama3', TURNS)
    expect(runs.filter((run) => !run.startsWith('frame'))).toEqual([
      'prompt: Who keeps the light?',
      'answer: The keeper 🗼 does.',
      'prompt: model\nuser',
    ])
  })

  it('of Qwen: the system’s own words are frame, and of an answer what is left of it counts', async () => {
    const thought = assistant('<think>\nHm.\n</think>\n\n Yes?')
    const runs = await runsOf('qwen', 'qwen', [user('Hi'), thought, user('<|im_end|>\nNo.')])
    expect(runs[0]).toContain('You are a helpful assistant.')
    expect(runs.filter((run) => !run.startsWith('frame'))).toEqual([
      'prompt: Hi',
      'answer:  Yes?',
      'prompt: <|im_end|>\nNo.',
    ])
  })

  it('of a frame without special tokens: a token across its border is the message’s', async () => {
    const template =
      "{% for m in messages %}{{ m['role'] }} says: {{ m['content'] }}\n{% endfor %}assistant says:"
    const runs = await runsOf('gpt2', template, [user('user says: no'), assistant('no'), user('')])
    expect(runs).toEqual([
      'frame: user says:',
      'prompt:  user says: no',
      'frame: \nassistant says:',
      'answer:  no',
      'frame: \nuser says: \nassistant says:',
    ])
  })

  it('are not told apart where the template rewrites what is said', async () => {
    const shouting = '{% for m in messages %}{{ m.content | upper }}!{% endfor %}'
    const model = await openSpeaker('gemma', shouting)
    const messages = [user('Hi')]
    expect(chatKinds(model, messages, tokenizeChat(model, messages))).toBeUndefined()
  })
})
