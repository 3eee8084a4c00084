/** Added tokens: pieces that are found in a text as they are written, before anything else is cut. */

/** As tokenizer.json describes it. */
export type AddedToken = {
  readonly id: number
  readonly content: string
  readonly special: boolean
  /** Looked for in the normalized text, not in the text as it came. */
  readonly normalized: boolean
  /** White space on its left, or right, belongs to it. */
  readonly lstrip: boolean
  readonly rstrip: boolean
  /** Found only where no word character stands beside it. */
  readonly single_word: boolean
}

/** A stretch of text without added tokens, or one of them. `at` is where it begins. */
export type Section = { readonly at: number; readonly text: string; readonly id?: number }

/**
 * A finder of added tokens: cuts a text into sections, of several tokens that begin at one place the longest.
 * @param contentOf how a token is written in the texts that will be given.
 */
export function addedTokenFinder(
  tokens: readonly AddedToken[],
  contentOf: (token: AddedToken) => string = ({ content }) => content,
): (text: string) => Section[] {
  const byContent = new Map(tokens.map((token) => [contentOf(token), token]))
  byContent.delete('')
  if (byContent.size === 0) return (text) => (text === '' ? [] : [{ at: 0, text }])
  const alternatives = [...byContent]
    .sort(([a], [b]) => b.length - a.length)
    .map(([content, { single_word }]) => {
      const exact = content.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
      return single_word ? `(?<![\\p{L}\\p{N}_])${exact}(?![\\p{L}\\p{N}_])` : exact
    })
  const pattern = new RegExp(alternatives.join('|'), 'gu')
  return (text) => {
    const sections: Section[] = []
    let from = 0
    let strips = false
    const push = (to: number, strips_end: boolean): void => {
      let [start, end] = [from, to]
      while (strips && start < end && WHITE_SPACE.test(text[start]!)) start++
      while (strips_end && end > start && WHITE_SPACE.test(text[end - 1]!)) end--
      if (end > start) sections.push({ at: start, text: text.slice(start, end) })
    }
    for (const { 0: content, index } of text.matchAll(pattern)) {
      const token = byContent.get(content)!
      push(index, token.lstrip)
      sections.push({ at: index, text: content, id: token.id })
      from = index + content.length
      strips = token.rstrip
    }
    push(text.length, false)
    return sections
  }
}

const WHITE_SPACE = /\p{White_Space}/u
