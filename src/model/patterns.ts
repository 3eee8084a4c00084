/** Regular expressions from files: refused where an engine that tries every way could take longer than anyone waits. */

import { FormatError, quote } from '../formats/index.ts'

/** Each repetition without end in one alternative costs another power of the text's length. Patterns of published models have two. */
const MAX_ENDLESS = 3
const MAX_CHARS = 4096

/** What is open: how many endless repetitions its alternatives have, and whether it can match one text in several ways. */
type Group = { endless: number; most: number; varies: boolean }

const QUANTIFIER = /(?:([*+?])|\{(\d+)(,(\d*))?\})[?+]?/y

/**
 * Refuses a pattern whose time can grow exponentially with the text: one in which a group repeats that itself repeats
 * something or holds a choice, as `(a+)+` and `(a|a)*` do. Also one with many endless repetitions in a row.
 * @param where the step that holds it, for messages.
 * @throws FormatError
 */
export function checkPattern(path: string, where: string, source: string): void {
  const fail = (message: string) =>
    new FormatError(path, `${where}: the pattern ${quote(source)} ${message}`)
  if (source.length > MAX_CHARS) {
    throw fail(`has ${source.length} characters, expected at most ${MAX_CHARS}.`)
  }
  const groups: Group[] = [{ endless: 0, most: 0, varies: false }]
  for (let at = 0; at < source.length; ) {
    let closed: Group | undefined
    switch (source[at]) {
      case '(':
        groups.push({ endless: 0, most: 0, varies: false })
        // Not a quantifier, but what kind of group it is.
        at += source[at + 1] === '?' ? 2 : 1
        continue
      case '|': {
        const group = groups.at(-1)!
        group.most = Math.max(group.most, group.endless)
        group.endless = 0
        group.varies = true
        at++
        continue
      }
      case ')':
        // One too many is for the engine to refuse.
        if (groups.length > 1) closed = groups.pop()
        at++
        break
      default:
        at = endOfAtom(source, at)
    }
    QUANTIFIER.lastIndex = at
    const [whole, sign, low, , high] = QUANTIFIER.exec(source) ?? ['']
    at += whole.length
    const most =
      sign === '?' ? 1 : sign === undefined && high !== '' ? Number(high ?? low ?? 1) : Infinity
    const least = sign === '+' ? 1 : Number(low ?? (whole === '' ? 1 : 0))
    if (closed?.varies === true && most > 1) {
      throw fail(
        'repeats a group that can match one text in several ways, which can take exponentially long. Write it without repetitions and choices inside repeated groups.',
      )
    }
    const group = groups.at(-1)!
    group.varies ||= closed?.varies === true || most !== least
    group.endless +=
      (closed === undefined ? 0 : Math.max(closed.most, closed.endless)) +
      (most === Infinity ? 1 : 0)
    if (group.endless > MAX_ENDLESS) {
      throw fail(`has more than ${MAX_ENDLESS} repetitions without end in one alternative.`)
    }
  }
}

/** The index after the character, escape or class at `at`. */
function endOfAtom(source: string, at: number): number {
  if (source[at] === '\\') {
    const named = /\\[pPuk][{<][^}>]*[}>]/y
    named.lastIndex = at
    return at + (named.exec(source)?.[0].length ?? 2)
  }
  if (source[at] !== '[') return at + 1
  let end = at + 1
  while (end < source.length && source[end] !== ']') end += source[end] === '\\' ? 2 : 1
  return end + 1
}
