/** What JSON.parse does not tell: whether an object names a key twice. */

/**
 * The first key that an object of the text holds twice, at any depth.
 * @param text valid JSON; this function does not check it.
 */
export function findDuplicateKey(text: string): string | undefined {
  // One set of keys an open object, `undefined` for an open array.
  const open: (Set<string> | undefined)[] = []
  // The tokens that matter: strings (with the colon that makes them keys) and brackets.
  const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g
  for (const [token, string, colon] of text.matchAll(tokens)) {
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push(undefined)
    else if (token === '}' || token === ']') open.pop()
    else if (string !== undefined && colon !== undefined) {
      const key = JSON.parse(string) as string
      const keys = open.at(-1)
      if (keys?.has(key)) return key
      keys?.add(key)
    }
  }
  return undefined
}
