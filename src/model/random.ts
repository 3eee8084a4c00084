/** The seeded random numbers of generation: the same seed gives the same text. */

/** Draws uniform numbers in [0, 1), 32 bits each. */
export type Random = () => number

/**
 * sfc32, "small fast counting" generator, 128 bits of state.
 * @param stream separates sequences of one seed from each other, such as the documents of a sample.
 * Source: Chris Doty-Humphrey, PractRand 0.94 (`sfc32`, seeded by two words and 15 rounds).
 */
export function openRandom(seed: number, stream: number = 0): Random {
  let a = 0
  let b = seed >>> 0
  let c = stream >>> 0
  let counter = 1
  const next = (): number => {
    const out = (a + b + counter++) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + out) | 0
    return out / 2 ** 32
  }
  for (let i = 0; i < 15; i++) next()
  return next
}
