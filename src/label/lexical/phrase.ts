/** Small parts of labels: quoting, counting, stems. */

const SIGN_NAMES: Readonly<Record<string, string>> = {
  '\n': 'a new line',
  ',': 'a comma',
  '.': 'a full stop',
  '?': 'a question mark',
  '!': 'an exclamation mark',
  ';': 'a semicolon',
  ':': 'a colon',
  '"': 'a quotation mark',
  "'": 'an apostrophe',
  '-': 'a hyphen',
  '—': 'a dash',
  ' ': 'a space',
}

/** A word in quotation marks; a sign by its name. */
export function quote(text: string): string {
  return SIGN_NAMES[text] ?? `“${text}”`
}

/** As the subject of a label: a sign by its bare name. */
export function title(text: string): string {
  return quote(text).replace(/^an? /, '')
}

/** Values with how often they occur, most frequent first, earlier ones first among equals. */
export function tally<T>(values: Iterable<T>): { value: T; n: number }[] {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].map(([value, n]) => ({ value, n })).sort((a, b) => b.n - a.n)
}

const ENDINGS = /(?:ing|edly|ed|ies|ied|es|s|ly|ers|er|est|y|e|['’]s)$/

/** The word without its ending: groups move, moved, moving. Crude on purpose; at least three letters stay. */
export function stem(lower: string): string {
  const cut = lower.replace(ENDINGS, '')
  const base = cut.length >= 3 ? cut : lower
  return base.replace(/([bdfglmnprt])\1$/, '$1')
}
