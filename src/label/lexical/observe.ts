/** What is seen at the peak of each example, before anything is concluded. */
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import { pieceText, readWords, type Word } from './words.ts'

export type Observation = {
  /** The token at the peak, as in the vocabulary. */
  readonly piece: string
  /** The whole word that it belongs to. */
  readonly word: Word
  /** The word in lower case. */
  readonly lower: string
  /** Whether the peak is only a part of the word, and which. */
  readonly part: 'whole' | 'first' | 'inner' | 'last'
  /** Words and signs before it, nearest first; empty at the beginning of a document. */
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** The token that follows the peak, which the model is about to predict there; absent at the window's end. */
  readonly next_id: number | undefined
  readonly starts_sentence: boolean
  /** Whether a space or a new line stands before the word: tells an opening quotation mark from a closing one. */
  readonly stands_apart: boolean
  /** Tokens before it in its document, BOS counted. */
  readonly position: number
  readonly doc: number
  /** Distinct words of the window without the peak's, lower case. */
  readonly context: ReadonlySet<string>
}

/** Observations at the top examples, and at those of lower activation intervals. */
export function observe(
  record: LatentRecord,
  pieces: readonly string[],
): { top: Observation[]; weaker: Observation[] } {
  const top: Observation[] = []
  const weaker: Observation[] = []
  for (const example of record.examples)
    (example.interval === 0 ? top : weaker).push(observeExample(example, pieces))
  return { top, weaker }
}

function observeExample(example: LatentExample, pieces: readonly string[]): Observation {
  const words = readWords(example.ids, pieces)
  const at = words.findIndex((word) => word.first <= example.peak && example.peak < word.end)
  const word = words[at]
  if (!word)
    throw new RangeError(
      `lexicalLabel: peak ${example.peak} of an example with ${example.ids.length} tokens, expected a position within`,
    )
  const shown = words.filter((w) => w === word || (w.kind !== 'special' && w.kind !== 'space'))
  const place = shown.indexOf(word)
  const before = shown
    .slice(0, place)
    .map((w) => w.text)
    .reverse()
  const previous = before.find((text) => !/^["'“‘(]+$/.test(text))
  const context = new Set(
    shown.filter((w) => w !== word && w.kind === 'word').map((w) => w.text.toLowerCase()),
  )
  const first = pieceText(pieces[example.ids[word.first]!] ?? '')
  return {
    piece: pieceText(pieces[example.ids[example.peak]!] ?? ''),
    word,
    lower: word.text.toLowerCase(),
    part: partOf(word, example.peak),
    before,
    after: shown.slice(place + 1).map((w) => w.text),
    next_id: example.ids[example.peak + 1],
    starts_sentence:
      previous === undefined ? example.start === 0 : /^(\n|[.!?…]+["'”’)]*)$/.test(previous),
    stands_apart: /^\s/.test(first) || before.length === 0 || before[0] === '\n',
    position: example.start + example.peak,
    doc: example.doc,
    context,
  }
}

function partOf(word: Word, peak: number): Observation['part'] {
  if (word.end - word.first === 1) return 'whole'
  if (peak === word.first) return 'first'
  return peak === word.end - 1 ? 'last' : 'inner'
}
