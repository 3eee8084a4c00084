/** What JSON.parse does not tell: whether an object names a key twice. */

/**
 * The first key that an object of the text holds twice, at any depth.
 * @param text valid JSON; this function does not check it.
 */
export function findDuplicateKey(text: string): string | undefined {
  // One set of keys an open object, `undefined` for an open array.
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        open.push(new Set())
        break
      case '[':
        open.push(undefined)
        break
      case '}':
      case ']':
        open.pop()
        break
      case '"': {
        const end = endOfString(text, at)
        const keys = open.at(-1)
        if (keys !== undefined && isKey(text, end)) {
          const key = JSON.parse(text.slice(at, end)) as string
          if (keys.has(key)) return key
          keys.add(key)
        }
        at = end - 1
      }
    }
  }
  return undefined
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Whether a colon follows. */
function isKey(text: string, end: number): boolean {
  let at = end
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++
  return text[at] === ':'
}
