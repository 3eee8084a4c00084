/** Examples as a language model reads them. */
import type { LatentExample } from '../../latents/index.ts'
import { pieceText } from '../lexical/words.ts'

/** Tokens above this share of a text's maximum are marked. */
const MARKED = 0.3

/** A token's text with its leading space. */
export type PieceOf = (id: number | undefined) => string

/** @param pieces [d_vocab] as in the vocabulary */
export const pieceOf =
  (pieces: readonly string[]): PieceOf =>
  (id) =>
    id === undefined ? '' : pieceText(pieces[id] ?? '')

/** The window as one line. */
export const plainText = ({ ids }: LatentExample, piece: PieceOf): string =>
  Array.from(ids, piece).join('').replaceAll('\n', '↵').trim()

/** The window as one line, neighbouring marked tokens in one pair of marks, the space before a mark outside it. */
export function markedText(
  { ids }: LatentExample,
  isMarked: (at: number) => boolean,
  piece: PieceOf,
  [opening, closing]: readonly [string, string] = ['<<', '>>'],
): string {
  let text = ''
  let open = false
  for (const [at, id] of ids.entries()) {
    const body = piece(id).replaceAll('\n', '↵')
    const marked = isMarked(at)
    if (open && !marked) text += closing
    text += marked && !open ? body.replace(/^ ?/, (space) => space + opening) : body
    open = marked
  }
  return (open ? text + closing : text).trim()
}

/** Which tokens of a window count as firing. @param max the activation that shares are of */
export const isFiring =
  ({ peak, values }: LatentExample, max: number) =>
  (at: number): boolean =>
    at === peak || values[at]! > MARKED * max

export const numbered = (lines: readonly string[]): string =>
  lines.map((line, i) => `${i + 1}. ${line}`).join('\n')
