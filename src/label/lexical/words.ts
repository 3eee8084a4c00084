/** Whole words out of tokens: a small vocabulary cuts most words into pieces, and a person reads words. */

/** One word, number, or run of signs in a window of tokens. */
export type Word = {
  /** As written, without the space before it; a newline is `\n`. */
  readonly text: string
  /** Tokens first .. end (end exclusive) of the window. */
  readonly first: number
  readonly end: number
  readonly kind: 'word' | 'sign' | 'newline' | 'space' | 'special'
}

const BYTE = /<0x([0-9A-F]{2})>/
const BYTES = /<0x([0-9A-F]{2})>/g
const SPECIAL = /^<[^<>\s]+>$/
const LETTERS = /^[\p{L}\p{N}\p{M}]+$/u
/** What joins the letters on both sides into one word: don't, ice-cream, 3,400. */
const JOINER = /^['’-]$/u
const DIGITS_JOINER = /^[.,]$/
const DIGITS = /^\p{N}+$/u

/** A piece as its text: bytes become their character (U+FFFD beyond ASCII), the rest stays. */
export function pieceText(piece: string): string {
  return piece.replace(BYTES, (_, hex: string) => {
    const code = Number.parseInt(hex, 16)
    return code < 0x80 ? String.fromCharCode(code) : '\ufffd'
  })
}

/** What a piece is, worked out once for a vocabulary. */
type PieceShape = {
  readonly text: string
  readonly kind: Word['kind']
  readonly opens: boolean
  readonly closes: boolean
  readonly letters: boolean
}

const shapes = new WeakMap<readonly string[], PieceShape[]>()

function shapesOf(pieces: readonly string[]): PieceShape[] {
  let known = shapes.get(pieces)
  if (!known) {
    known = pieces.map((piece) => {
      const body = pieceText(piece)
      const text = body.trim()
      const isSpecial = SPECIAL.test(piece) && !BYTE.test(piece)
      const blank = body.includes('\n') ? 'newline' : 'space'
      return {
        text: text || (body.includes('\n') ? '\n' : ' '),
        kind: isSpecial
          ? 'special'
          : text === ''
            ? blank
            : /[\p{L}\p{N}]/u.test(text)
              ? 'word'
              : 'sign',
        opens: /^\s/.test(body),
        closes: /\s$/.test(body),
        letters: LETTERS.test(text),
      }
    })
    shapes.set(pieces, known)
  }
  return known
}

/**
 * Cuts a window into words. Pieces of letters and digits that touch are one word, also across an apostrophe or a hyphen.
 * @param ids [window]
 * @param pieces [d_vocab] each token's text with its leading space; control tokens in angle brackets.
 */
export function readWords(ids: ArrayLike<number>, pieces: readonly string[]): Word[] {
  const known = shapesOf(pieces)
  const words: Word[] = []
  for (let at = 0; at < ids.length; at++) {
    const shape = known[ids[at]!]
    if (!shape)
      throw new RangeError(
        `readWords: token ${ids[at]}, expected below ${pieces.length}. Is this another model's vocabulary?`,
      )
    const last = words.at(-1)
    const touches =
      shape.letters && !shape.opens && last !== undefined && !known[ids[at - 1]!]!.closes
    if (touches && last.kind === 'word') {
      words[words.length - 1] = { ...last, text: last.text + shape.text, end: at + 1 }
      continue
    }
    const before = words.at(-2)
    if (
      touches &&
      before?.kind === 'word' &&
      before.end === last.first &&
      !known[ids[last.first]!]!.opens &&
      joins(before.text, last.text, shape.text)
    ) {
      words.splice(-2, 2, { ...before, text: before.text + last.text + shape.text, end: at + 1 })
      continue
    }
    words.push({ text: shape.text, first: at, end: at + 1, kind: shape.kind })
  }
  return words
}

function joins(before: string, sign: string, after: string): boolean {
  if (JOINER.test(sign)) return true
  return DIGITS_JOINER.test(sign) && DIGITS.test(before.slice(-1)) && DIGITS.test(after)
}
