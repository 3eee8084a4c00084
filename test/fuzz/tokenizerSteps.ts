/** Steps of every kind that a tokenizer.json may hold, to put where they belong and where they do not. */

/** What is put together here is JSON for readers that trust nothing. */
type Json = Record<string, unknown>

const GPT2_STEP = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }

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
  GPT2_STEP,
] // biome-ignore format: a table
