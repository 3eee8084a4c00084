/** What is seen at a token of a window, before anything is concluded. */
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import { languageOf } from './languages.ts'
import { pieceText, readWords, type Word } from './words.ts'

export type Observation = {
  /** The token, as in the vocabulary. */
  readonly piece: string
  /** The whole word that it belongs to. */
  readonly word: Word
  /** The word in lower case. */
  readonly lower: string
  /** Whether the token is only a part of the word, and which. */
  readonly part: 'whole' | 'first' | 'inner' | 'last'
  /** The two words or signs before it at most, nearest first; empty at the beginning of a document. */
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** The token that follows, which the model is about to predict there; absent at the window's end. */
  readonly next_id: number | undefined
  readonly starts_sentence: boolean
  /** Whether a space or a new line stands before the word: tells an opening quotation mark from a closing one. */
  readonly stands_apart: boolean
  /** Tokens before it in its document, BOS counted. */
  readonly position: number
  readonly doc: number
  /** Distinct words of the window, lower case. */
  readonly context: ReadonlySet<string>
  /** Of the window, where it is not English. */
  readonly language: string | undefined
}

/** A stretch of a document. */
export type TokenWindow = Pick<LatentExample, 'ids' | 'start' | 'doc'>

/** A token on which a latent fires. */
export type Sample = {
  readonly o: Observation
  /** Whether it is the peak of a top example, of another, or stands beside a peak. */
  readonly of: 'top' | 'weaker' | 'beside'
  readonly act: number
}

/** All tokens of a latent's examples on which it fires. */
export function observe(record: LatentRecord, pieces: readonly string[]): Sample[] {
  const samples: Sample[] = []
  for (const example of record.examples) {
    const at = observerOf(example, pieces)
    const peak = example.interval === 0 ? 'top' : 'weaker'
    samples.push({ o: at(example.peak), of: peak, act: example.values[example.peak]! })
    for (const [i, act] of example.values.entries())
      if (act > 0 && i !== example.peak) samples.push({ o: at(i), of: 'beside', act })
  }
  return samples
}

/** Observations at all tokens of a window. */
export function observeAll(window: TokenWindow, pieces: readonly string[]): Observation[] {
  const at = observerOf(window, pieces)
  return Array.from(window.ids, (_, i) => at(i))
}

function observerOf(window: TokenWindow, pieces: readonly string[]): (at: number) => Observation {
  const { ids, start, doc } = window
  const words = readWords(ids, pieces)
  const shown = words.filter(({ kind }) => kind !== 'special' && kind !== 'space')
  const texts = shown.map(({ text }) => text)
  const context = new Set(
    shown.filter(({ kind }) => kind === 'word').map(({ text }) => text.toLowerCase()),
  )
  const language = languageOf(context)
  return (at) => {
    const word = words.find(({ first, end }) => first <= at && at < end)
    if (!word)
      throw new RangeError(
        `lexicalLabel: peak ${at} of an example with ${ids.length} tokens, expected a position within`,
      )
    const place = shown.filter(({ first }) => first < word.first).length
    const before = texts.slice(0, place).reverse()
    const previous = before.find((text) => !/^["'“‘(]+$/.test(text))
    const first = pieceText(pieces[ids[word.first]!] ?? '')
    const following = place + (shown[place] === word ? 1 : 0)
    return {
      piece: pieceText(pieces[ids[at]!] ?? ''),
      word,
      lower: word.text.toLowerCase(),
      part: partOf(word, at),
      before: before.slice(0, 2),
      after: texts.slice(following, following + 2),
      next_id: ids[at + 1],
      starts_sentence:
        previous === undefined ? start === 0 : /^(\n|[.!?…]+["'”’)]*)$/.test(previous),
      stands_apart: /^\s/.test(first) || before.length === 0 || before[0] === '\n',
      position: start + at,
      doc,
      context,
      language,
    }
  }
}

function partOf(word: Word, at: number): Observation['part'] {
  if (word.end - word.first === 1) return 'whole'
  if (at === word.first) return 'first'
  return at === word.end - 1 ? 'last' : 'inner'
}
