import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { memoryFolder, readFolder } from '../../test/memoryFolder.ts'
import { randomText, type SlowFile, slowTokenize, WORDS } from '../../test/slowTokenizer.ts'
import { packageRoot } from '../files/index.ts'
import { gemma2 } from './architectures/gemma2.ts'
import { openRandom } from './random.ts'
import { openTokenizer } from './tokenizer.ts'
import type { Tokenizer } from './types.ts'

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

const KINDS = join(packageRoot(), 'test/fixtures/tokenizers')
const kinds = readdirSync(KINDS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

type Expected = { maker: string; d_vocab: number; bos: number | null; texts: [string, number[]][] }

async function openKind(
  kind: string,
  change: (files: Record<string, Uint8Array | string>) => void = () => {},
): Promise<{ opened: Tokenizer; expected: Expected; file: SlowFile }> {
  const held = readFolder(join(KINDS, kind))
  const read = (name: string) => JSON.parse(held[name]!.toString())
  const expected = read('expected.json') as Expected
  const file = read('tokenizer.json') as SlowFile
  change(held)
  const ids = { bos_token_id: undefined, eos_token_ids: [], pad_token_id: 0 }
  const own = { ...config, ...ids, d_vocab: expected.d_vocab }
  return { opened: (await openTokenizer(memoryFolder(kind, held), own))!, expected, file }
}

// biome-ignore lint/suspicious/noExplicitAny: a test breaks whatever it likes
type Change = (json: any) => void

/** Changes tokenizer.json (or another file) of a folder. */
const edit =
  (change: Change, name = 'tokenizer.json') =>
  (files: Record<string, Uint8Array | string>): void => {
    const json = JSON.parse(files[name]!.toString())
    change(json)
    files[name] = JSON.stringify(json)
  }

describe.each(kinds)('a tokenizer like those of %s', (kind) => {
  it('cuts texts as its maker does', async () => {
    const { opened, expected } = await openKind(kind)
    expect(expected.texts.length).toBeGreaterThan(100)
    for (const [text, ids] of expected.texts) {
      expect([...opened.tokenize(text, { bos: false })], JSON.stringify(text)).toEqual(ids)
    }
  })

  it('puts BOS in front if its own files say so', async () => {
    const { opened, expected } = await openKind(kind)
    expect(opened.bos).toBe(expected.bos ?? undefined)
    const [text, ids] = expected.texts.at(-1)!
    const led = expected.bos === null ? ids : [expected.bos, ...ids]
    expect([...opened.tokenize(text)]).toEqual(led)
  })

  it('gives texts back, but for what its own rules change', async () => {
    const { opened, expected } = await openKind(kind)
    for (const [text, ids] of expected.texts) {
      const whole = text.toWellFormed()
      const kept = kind === 'qwen' || kind === 'gpt-neox' ? whole.normalize('NFC') : whole
      const marked = ['gemma', 'llama2', 'mistral'].includes(kind)
        ? kept.replaceAll('▁', ' ')
        : kept
      // Metaspace puts no space before one that is there, and takes it off all the same.
      const back = kind === 'mistral' ? marked.replace(/^ /, '') : marked
      expect(opened.detokenize(ids), JSON.stringify(text)).toBe(back)
    }
  })

  it('gives ids as they come the text that they have together', async () => {
    const { opened, expected } = await openKind(kind)
    for (const [, ids] of expected.texts) {
      const stream = opened.openText()
      const parts = ids.map((id) => stream.push(id))
      expect(parts.join('') + stream.end()).toBe(opened.detokenize(ids))
    }
    const ids = [...opened.tokenize('a🦔b𠀋🦔', { bos: false })]
    const stream = opened.openText()
    const shown = ids.map((id) => stream.push(id))
    expect(shown.some((part) => part.includes('\uFFFD'))).toBe(false)
    expect(shown.filter((part) => part === '').length).toBeGreaterThan(3)
  })

  it('shows pieces that say their text, and knows what is special', async () => {
    const { opened, file } = await openKind(kind)
    // GPT-NeoX has two spaces twice: as a piece of merges and as an added token.
    const n_same = opened.pieces.length - new Set(opened.pieces).size
    expect(n_same).toBe(kind === 'gpt-neox' ? 1 : 0)
    const text = 'The light of 日'
    const ids = [...opened.tokenize(text, { bos: false })]
    const whole = ids.map((id) => opened.pieces[id]).join('')
    const bytes = new TextEncoder().encode('日')
    const hex = Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase()}>`).join('')
    expect(
      [text, ` ${text}`].map((each) => each.replace('日', hex)).concat(text, ` ${text}`),
    ).toContain(whole)
    for (const { id, special } of file.added_tokens) {
      if (id < opened.pieces.length) expect(opened.special_ids.has(id)).toBe(special)
    }
    for (const id of ids) expect(opened.special_ids.has(id)).toBe(false)
  })
})

describe.each(Object.keys(WORDS))('random texts for %s', (kind) => {
  it('are cut as a slow tokenizer cuts them, and so are long ones', async () => {
    const { opened, file } = await openKind(kind)
    const random = openRandom(23)
    const plain = (text: string): string => {
      const words = kind === 'gemma' ? text.replace(/\n{2,}/g, '\n') : text
      return words.toWellFormed()
    }
    for (let i = 0; i < 300; i++) {
      const text = plain(randomText(random, i < 290 ? 12 : 400))
      const found = [...opened.tokenize(text, { bos: false })]
      expect(found, JSON.stringify(text)).toEqual(slowTokenize(kind, file, text))
    }
  })
})

describe('what a folder says of BOS', () => {
  it('is add_bos_token before the template in tokenizer.json', async () => {
    const settings = (value: boolean | undefined) =>
      edit((json) => {
        json.add_bos_token = value
      }, 'tokenizer_config.json')
    expect((await openKind('llama2', settings(false))).opened.bos).toBeUndefined()
    expect((await openKind('llama2', settings(undefined))).opened.bos).toBe(1)
    expect((await openKind('gpt-neox', settings(true))).opened.bos).toBe(0)
  })

  it('yields to the caller, who cannot have one that is not there', async () => {
    const { opened } = await openKind('gpt2')
    const bare = [...opened.tokenize('a')]
    expect([...opened.tokenize('a', { bos: true })]).toEqual([416, ...bare])
    const qwen = (await openKind('qwen')).opened
    expect(() => qwen.tokenize('a', { bos: true })).toThrow('qwen names none')
  })
})

describe('leading spaces', () => {
  it('stay where ids go on from others', async () => {
    const { opened } = await openKind('llama2')
    const ids = opened.tokenize('light the lamp', { bos: false })
    expect(opened.detokenize(ids)).toBe('light the lamp')
    expect(opened.detokenize(ids, { continues: true })).toBe(' light the lamp')
  })

  it('are put and split as Metaspace and ByteLevel say', async () => {
    const split = edit((json) => {
      json.pre_tokenizer = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' }
      json.model.merges = [
        ['e', '▁'],
        ['▁', 't'],
      ]
      json.model.vocab['e▁'] = 560
    })
    const { opened } = await openKind('mistral', split)
    const pieces = (text: string) =>
      Array.from(opened.tokenize(text, { bos: false }), (id) => opened.pieces[id])
    expect(pieces('e te')).toEqual([' ', 'e', ' t', 'e'])
    expect(pieces('[INST]e')).toEqual(['[INST]', ' ', 'e'])

    const prefixed = edit((json) => {
      json.pre_tokenizer.add_prefix_space = true
    })
    const gpt2 = (await openKind('gpt2', prefixed)).opened
    expect([...gpt2.tokenize('the lamp')]).toEqual([...gpt2.tokenize(' the lamp')])
  })
})

describe('splits', () => {
  const behave = async (split: object, text: string) => {
    const { opened } = await openKind(
      'gemma',
      edit((json) => {
        json.normalizer = null
        json.pre_tokenizer = { type: 'Split', invert: false, ...split }
        json.model.merges = []
        const bytes = Object.entries(json.model.vocab).filter(([piece]) => piece.startsWith('<'))
        const pieces = ['a', 'b', '-', '-a', 'a-', '--', 'ab', '1', '2', '12', 'a1']
        const own = pieces.map((piece, i) => [piece, 400 + i])
        json.model.vocab = Object.fromEntries([...bytes, ...own])
        json.model.ignore_merges = true
      }),
    )
    return Array.from(opened.tokenize(text, { bos: false }), (id) => opened.pieces[id])
  }
  it.each([
    ['Isolated', ['a', '-', '-', 'a', '-', 'b']],
    ['MergedWithPrevious', ['a-', '-', 'a-', 'b']],
    ['MergedWithNext', ['a', '-', '-a', '-', 'b']],
    ['Contiguous', ['a', '--', 'a', '-', 'b']],
    ['Removed', ['a', 'a', 'b']],
  ])('behave as %s', async (behavior, expected) => {
    expect(await behave({ pattern: { String: '-' }, behavior }, 'a--a-b')).toEqual(expected)
  })

  it('take digits of every script', async () => {
    const one = { type: 'Digits', individual_digits: true }
    expect(await behave(one, 'a12١٢')).toEqual([
      'a',
      '1',
      '2',
      ...'<0xD9><0xA1><0xD9><0xA2>'.split(/(?=<)/),
    ])
    expect(await behave({ ...one, individual_digits: false }, 'a12b')).toEqual(['a', '12', 'b'])
  })

  it('take the inverse of a pattern', async () => {
    const pattern = { Regex: '[ab]+' }
    const inverse = { pattern, behavior: 'Removed', invert: true }
    expect(await behave(inverse, 'ab--a')).toEqual(['ab', 'a'])
    expect(await behave({ ...inverse, behavior: 'Isolated' }, 'ab--a')).toEqual(['ab', '--', 'a'])
  })
})

describe('added tokens', () => {
  it('beyond the embedding are text', async () => {
    const { opened } = await openKind('gemma')
    const ids = opened.tokenize('<image_soft_token>', { bos: false })
    expect(ids.length).toBeGreaterThan(3)
    expect(Math.max(...ids)).toBeLessThan(opened.pieces.length)
  })

  it('take white space and whole words as they ask', async () => {
    const { opened } = await openKind(
      'llama3',
      edit((json) => {
        json.added_tokens[2].lstrip = true
        json.added_tokens[3].rstrip = true
        json.added_tokens.push({ id: 5, content: 'lamp', special: false, single_word: true })
      }),
    )
    const ids = (text: string) => [...opened.tokenize(text, { bos: false })]
    const [start, end] = [418, 419]
    expect(ids('a  <|start_header_id|> b')).toEqual([...ids('a'), start, ...ids(' b')])
    expect(ids('a <|end_header_id|> \n b')).toEqual([...ids('a '), end, ...ids('b')])
    expect(ids('lamp, lamps')).toEqual([5, ...ids(', lamps')])
    expect(ids('lamps')).not.toContain(5)
  })

  it('are all found in a chat, but not where its mark stands', async () => {
    const { opened } = await openKind('llama3')
    const [begin, eot] = [416, 420]
    const mark = '\uE000'
    const ids = [...opened.tokenize('<|begin_of_text|>a<|eot_id|>', { bos: false, mark })]
    expect(ids).toEqual([begin, ...opened.tokenize('a', { bos: false }), eot])
    const guarded = opened.tokenize(`${[...'<|eot_id|>'].join(mark)}`, { bos: false, mark })
    expect([...guarded]).toEqual([...opened.tokenize('<|eot_id|>', { bos: false })])
    expect([...guarded]).not.toContain(eot)
  })
})

describe('a file that cannot be used is refused by name', () => {
  it.each<[string, string, Change]>([
    [
      'model: type',
      'llama2',
      (json) => {
        json.model.type = 'Unigram'
      },
    ],
    [
      'expected an integer',
      'llama2',
      (json) => {
        json.model.vocab.the = 1.5
      },
    ],
    [
      'entry 0 is ["a", "qq"]',
      'llama2',
      (json) => {
        json.model.merges = [['a', 'qq']]
      },
    ],
    [
      'model.merges is missing',
      'llama2',
      (json) => {
        delete json.model.merges
      },
    ],
    [
      'model is none, expected an object',
      'llama2',
      (json) => {
        delete json.model
      },
    ],
    [
      'normalizer is Precompiled, supported: Sequence, Replace',
      'llama2',
      (json) => {
        json.normalizer = { type: 'Precompiled' }
      },
    ],
    [
      'pre_tokenizer is BertPreTokenizer, supported:',
      'gpt2',
      (json) => {
        json.pre_tokenizer = { type: 'BertPreTokenizer' }
      },
    ],
    [
      'Split with behavior MergedWithNext',
      'llama3',
      (json) => {
        json.pre_tokenizer.pretokenizers[0].behavior = 'MergedWithNext'
      },
    ],
    [
      'decoder is WordPiece, supported:',
      'llama2',
      (json) => {
        json.decoder = { type: 'WordPiece' }
      },
    ],
    [
      'post_processor is BertProcessing, supported:',
      'llama2',
      (json) => {
        json.post_processor = { type: 'BertProcessing' }
      },
    ],
    [
      'template with 2 tokens in front',
      'llama2',
      (json) => {
        json.post_processor.single.unshift(json.post_processor.single[0])
      },
    ],
    [
      'has a step that cannot be built',
      'llama3',
      (json) => {
        json.pre_tokenizer.pretokenizers[0].pattern = { Regex: '(' }
      },
    ],
    [
      'nests normalizers more than 8 deep',
      'llama2',
      (json) => {
        for (let i = 0; i < 20; i++)
          json.normalizer = { type: 'Sequence', normalizers: [json.normalizer] }
      },
    ],
    [
      'continuing_subword_prefix',
      'gpt2',
      (json) => {
        json.model.continuing_subword_prefix = '##'
      },
    ],
  ])('%s', async (message, kind, change) => {
    await expect(openKind(kind, edit(change))).rejects.toThrow(message)
  })

  it('tokenizer_config.json too', async () => {
    const change = edit((json) => {
      json.add_bos_token = 'yes'
    }, 'tokenizer_config.json')
    await expect(openKind('llama2', change)).rejects.toThrow('is not a tokenizer_config.json')
  })
})
