/** Small tokenizer.json files of the kinds that models have, and steps of every kind to put into them. */

import { fixture } from './fixtures.ts'

/** What is put together here is JSON for readers that trust nothing. */
type Json = Record<string, unknown>

const N_PIECES = 320

/** A byte as GPT-2 writes it: printable ones as they are, the others from U+0100 on. */
function byteCharacters(): string[] {
  const isPrintable = (byte: number) =>
    (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte < 0x100 && byte !== 0xad)
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isPrintable(byte) ? byte : next++),
  )
}

const GPT2_STEP = {
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
}

/** Byte-level BPE, as GPT-2, Llama 3 and Qwen have it. */
export function byteLevelFile(): Json {
  const bytes = byteCharacters()
  const merges = ['\u0120 t', 'h e', '\u0120t he', 'i n', 'e r']
  const pieces = [
    '<pad>',
    '<eos>',
    '<bos>',
    ...bytes,
    ...merges.map((pair) => pair.replace(' ', '')),
  ]
  return {
    version: '1.0',
    added_tokens: ['<pad>', '<eos>', '<bos>', '<turn>'].map((content, id) => addedToken(content, id === 3 ? pieces.length : id, true)),
    normalizer: { type: 'NFC' },
    pre_tokenizer: { type: 'Sequence', pretokenizers: [splitStep("\\s+(?!\\S)|\\s+|[^\\s]+"), { ...GPT2_STEP, use_regex: false }] },
    post_processor: GPT2_STEP,
    decoder: GPT2_STEP,
    model: {
      type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: '', end_of_word_suffix: '', fuse_unk: false,
      byte_fallback: false, ignore_merges: true, vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])), merges,
    },
  } // biome-ignore format: a file
}

/** The bundled model's SentencePiece tokenizer, its first pieces alone. */
export function sentencePieceFile(): Json {
  const file = parse('models/thimble-5m/tokenizer.json')
  const model = file.model as Json & { vocab: Record<string, number>; merges: [string, string][] }
  const vocab = Object.entries(model.vocab).filter(([, id]) => id < N_PIECES)
  const known = new Set(vocab.map(([piece]) => piece))
  const merges = model.merges.filter((pair) =>
    [...pair, pair.join('')].every((piece) => known.has(piece)),
  )
  return { ...file, model: { ...model, vocab: Object.fromEntries(vocab), merges } }
}

/** The bundled model's tokenizer_config.json, with a template. */
export function settingsFile(): Json {
  return {
    ...parse('models/thimble-5m/tokenizer_config.json'),
    chat_template: '{{ bos_token }}{% for message in messages %}[{{ message.role }}] {{ message.content | trim }}\n{% endfor %}',
  } // biome-ignore format: a template on one line
}

/** The bundled model's config.json, as wide as these vocabularies. */
export function configFile(): Json {
  return { ...parse('models/thimble-5m/config.json'), vocab_size: 400 }
}

function parse(path: string): Json {
  return JSON.parse(new TextDecoder().decode(fixture(path))) as Json
}

function addedToken(content: string, id: number, special: boolean): Json {
  return {
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special,
  }
}

function splitStep(Regex: string): Json {
  return { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }
}

/** Patterns that engines fail at: by syntax, by size, by time, by matching nothing. */
const PATTERNS = [
  '', '(', ')', '[', '[z-a]', '\\', '*', '+', '(?<=a)b', '(?i:abc)', '\\p{Nothing}', '\\p{L}+', '(a+)+$', '(a|a)*$', '(.*)*x', 'a{1,99999}',
  '(?:a{1,9999}){1,9999}', '(?:)', '^', '$', '\\b', '(?=)', '(?!)', '|', '.|', '\\Z', '\\A', '(?<n>a)\\k<n>', '[\\s\\S]', '\ud800', '\\u{110000}',
  "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
] as const // biome-ignore format: one list

/** Steps of every kind, known, odd and unknown; for any place that takes one. */
export const STEPS: readonly Json[] = [
  ...PATTERNS.flatMap((Regex) => [
    splitStep(Regex),
    { type: 'Replace', pattern: { Regex }, content: '$&$1' },
  ]),
  ...['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous', 'Odd'].flatMap((behavior) =>
    [false, true].map((invert) => ({ type: 'Split', pattern: { String: ' ' }, behavior, invert })),
  ),
  ...['NFC', 'NFKD', 'Lowercase', 'Strip', 'StripAccents', 'Nmt', 'Precompiled', 'BertNormalizer', 'Whitespace', 'WhitespaceSplit', 'Punctuation',
    'BertPreTokenizer', 'Digits', 'UnicodeScripts', 'ByteLevel', 'ByteFallback', 'Fuse', 'Metaspace', 'WordPiece', 'CTC', 'TemplateProcessing',
    'RobertaProcessing', 'Sequence', '__proto__', 'constructor', 'toString', ''].map((type) => ({ type })),
  ...['always', 'first', 'never', 'odd'].map((prepend_scheme) => ({ type: 'Metaspace', replacement: '\u2581', prepend_scheme, split: true })),
  { type: 'Metaspace', replacement: 'ab', add_prefix_space: true },
  { type: 'Prepend', prepend: '\u2581' },
  { type: 'Strip', content: ' ', start: 1, stop: 2 ** 40 },
  { type: 'Replace', pattern: { String: '' }, content: 'x'.repeat(100) },
  { type: 'Replace', pattern: { String: 'a' }, content: 'a'.repeat(20_000) },
  { type: 'Digits', individual_digits: true },
  { ...GPT2_STEP, add_prefix_space: true },
] // biome-ignore format: a table
