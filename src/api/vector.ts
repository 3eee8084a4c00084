/** A vector as people write it: pasted into the page, or given to a command. */

/**
 * A vector written as JSON or as numbers with spaces or commas between them.
 * @returns the numbers, or what is wrong in words.
 */
export function parseVector(text: string): number[] | string {
  const bare = text
    .trim()
    .replace(/^\[|\]$/g, '')
    .trim()
  if (bare === '') return 'no number yet'
  const parts = bare.split(/[\s,;]+/).filter((part) => part !== '')
  const numbers = parts.map(Number)
  const wrong = numbers.findIndex((x) => !Number.isFinite(x))
  if (wrong >= 0)
    return `number ${wrong + 1} is “${parts[wrong]?.slice(0, 20)}”; expected numbers with spaces or commas between them, or JSON`
  return numbers
}
