/** The plainest tokenizer there is, for the files in test/fixtures/tokenizers: patterns as JavaScript has them, merges one by one. */

type Merges = readonly (string | readonly [string, string])[]

export type SlowFile = {
  readonly added_tokens: readonly { id: number; content: string; special: boolean }[]
  readonly model: { vocab: Record<string, number>; merges: Merges; ignore_merges?: boolean }
}

const W = '\\p{White_Space}'
const GPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${W}\\p{L}\\p{N}]+|${W}+(?!\\P{White_Space})|${W}+`
const MODERN = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^${W}\\p{L}\\p{N}]+[\\r\\n]*|${W}*[\\r\\n]+|${W}+(?!\\P{White_Space})|${W}+`

/** What comes before merging, by kind: words of a text that holds no added token. */
export const WORDS: Readonly<Record<string, (text: string) => string[]>> = {
  llama2: (text) => [` ${text}`.replaceAll(' ', '▁')],
  mistral: (text) => [text.replace(/^(?![ ▁])/, ' ').replaceAll(' ', '▁')],
  gemma: (text) => [text.replaceAll(' ', '▁')],
  gpt2: (text) => byteWords(text, GPT2),
  llama3: (text) => byteWords(text, MODERN('\\p{N}{1,3}')),
  qwen: (text) => byteWords(text.normalize('NFC'), MODERN('\\p{N}')),
}

export const PATTERNS: Readonly<Record<string, string>> = {
  gpt2: GPT2,
  llama3: MODERN('\\p{N}{1,3}'),
  qwen: MODERN('\\p{N}'),
}

function byteWords(text: string, pattern: string): string[] {
  return (text.match(new RegExp(pattern, 'gu')) ?? []).map((word) =>
    Array.from(new TextEncoder().encode(word), byteLetter).join(''),
  )
}

/** GPT-2's letter for a byte: itself where it can be printed, else the next from U+0100 on. */
function byteLetter(byte: number): string {
  const printable = (b: number) => (b > 32 && b < 127) || (b > 160 && b !== 173)
  if (printable(byte)) return String.fromCharCode(byte)
  let before = 0
  for (let b = 0; b < byte; b++) if (!printable(b)) before++
  return String.fromCharCode(256 + before)
}

/** Ids of a text that holds no added token: the pair of lowest rank is merged, leftmost first, until none is left. */
export function slowTokenize(kind: string, { model }: SlowFile, text: string): number[] {
  const { vocab, merges, ignore_merges } = model
  const ranks = new Map<string, number>()
  for (const [rank, pair] of merges.entries()) {
    const key = typeof pair === 'string' ? pair : pair.join(' ')
    if (!ranks.has(key)) ranks.set(key, rank)
  }
  if (text === '') return []
  return WORDS[kind]!(text.toWellFormed()).flatMap((word) => {
    if (ignore_merges && Object.hasOwn(vocab, word)) return [vocab[word]!]
    const symbols = Array.from(word)
    for (;;) {
      let best = { rank: Number.POSITIVE_INFINITY, at: -1 }
      for (let at = 0; at + 1 < symbols.length; at++) {
        const rank = ranks.get(`${symbols[at]} ${symbols[at + 1]}`) ?? Number.POSITIVE_INFINITY
        if (rank < best.rank) best = { rank, at }
      }
      if (best.at < 0) break
      symbols.splice(best.at, 2, symbols[best.at]! + symbols[best.at + 1]!)
    }
    return symbols.flatMap((symbol) => {
      if (Object.hasOwn(vocab, symbol)) return [vocab[symbol]!]
      return Array.from(new TextEncoder().encode(symbol), (byte) => {
        const hex = byte.toString(16).toUpperCase().padStart(2, '0')
        return vocab[`<0x${hex}>`]!
      })
    })
  })
}

const FRAGMENTS = [
  ...[' ', '  ', '     ', '\n', '\n\n', '\r\n', '\t', '\u0085', '\u00A0', '\u3000', '\uFEFF'],
  ...['the', 'The', ' light', 'xyz', 'ing', "'s", "'S", "'ſ", "'ll", "'", '"', '...', '(', '};'],
  ...[
    '1',
    '12',
    '2024',
    '½',
    '٣',
    'é',
    'e\u0301',
    '日本',
    '日',
    'Привет',
    'שלום',
    'ह',
    '🙂',
    '👩‍👩‍👧',
  ],
  ...['\u0000', '\u007F', '\u200B', '\uFFFD', '\uD83D', '\uDC00', '<', '<|', '<0x41>', '$&', '\\'],
]

/** A text of up to `n` fragments: words, white space of every kind, digits, scripts, signs, halves of pairs. */
export function randomText(random: () => number, n: number): string {
  const length = Math.floor(random() * (n + 1))
  return Array.from({ length }, () => FRAGMENTS[Math.floor(random() * FRAGMENTS.length)]!).join('')
}
