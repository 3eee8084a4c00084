/** Where a long text can be cut before its pieces are merged, so that the pieces are those of the whole. */

/** log2 of the number of flags: at 200,000 pairs one in twenty collides, which loses a cut and never makes a wrong one. */
const BITS = 22

/**
 * Finds cuts for a vocabulary: no merge can reach across two characters that no piece holds side by side.
 * @param pieces every piece that merging may make.
 * @returns a function that gives the first such place after `from`, or the text's length.
 */
export function cutFinder(pieces: Iterable<string>): (text: string, from: number) => number {
  let flags: Uint8Array | undefined
  const findPairs = (): Uint8Array => {
    const found = new Uint8Array(1 << (BITS - 3))
    for (const piece of pieces) {
      for (let i = 1; i < piece.length; i++) {
        const at = pairIndex(piece.charCodeAt(i - 1), piece.charCodeAt(i))
        found[at >>> 3]! |= 1 << (at & 7)
      }
    }
    return found
  }
  return (text, from) => {
    flags ??= findPairs()
    for (let i = from + 1; i < text.length; i++) {
      const next = text.charCodeAt(i)
      if (next >= 0xdc00 && next < 0xe000) continue // the second half of a character
      const at = pairIndex(text.charCodeAt(i - 1), next)
      if ((flags[at >>> 3]! & (1 << (at & 7))) === 0) return i
    }
    return text.length
  }
}

const pairIndex = (a: number, b: number): number =>
  (Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) >>> (32 - BITS)

/** Characters on either side of a cut that are split to see whether it changes anything. */
const SEEN_CHARS = 64

/** Places that are tried for all cuts of a text together, before its rest is left in one. */
const MAX_REFUSED = 1000

/**
 * Stretches of a text that a pattern splits as it splits the whole, so that its words need not all be in memory at once.
 * A cut is made at the end of a word or line where the pattern gives the same words for the text around it, cut or not;
 * the families' patterns look no further than to the end of a run of letters, digits, marks or white space.
 * @param split a pattern's words of a text.
 * @param stretch_chars a stretch ends at the first such place after so many characters.
 */
export function* stretchesOf(
  text: string,
  split: (text: string) => readonly string[],
  stretch_chars: number,
): Generator<string> {
  const ends = /\S(?= )|\n(?=\S)/g
  let [from, n_refused] = [0, 0]
  ends.lastIndex = stretch_chars
  for (let found = ends.exec(text); found !== null; found = ends.exec(text)) {
    const at = found.index + 1
    const left = text.slice(Math.max(from, at - SEEN_CHARS), at).toWellFormed()
    const right = text.slice(at, at + SEEN_CHARS).toWellFormed()
    const whole = split(left + right)
    const parts = [...split(left), ...split(right)]
    if (whole.length === parts.length && whole.every((word, i) => word === parts[i])) {
      yield text.slice(from, at)
      from = at
      ends.lastIndex = at + stretch_chars
    } else if (++n_refused >= MAX_REFUSED) break
  }
  yield text.slice(from)
}
