/** Seeded random numbers: the same seeds give the same stream on every machine. Not for secrets. */

/** A stream of uniform random numbers. */
export type Random = {
  /** An unsigned 32-bit integer. */
  uint32(): number
  /** An integer in 0 .. n - 1, n at most 2^32, without bias (rejection). */
  below(n: number): number
}

/**
 * xoshiro128** seeded through SplitMix32 from any number of integers; streams of different seed lists are unrelated.
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021).
 */
export function seededRandom(...seeds: readonly number[]): Random {
  let mix = 0x9e3779b9
  for (const seed of seeds) mix = hash32(mix ^ hash32(seed) ^ hash32(Math.floor(seed / 2 ** 32)))
  const next = () => {
    mix = (mix + 0x9e3779b9) | 0
    return hash32(mix)
  }
  let a = next()
  let b = next()
  let c = next()
  let d = next()
  const uint32 = () => {
    const scrambled = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    return scrambled
  }
  return {
    uint32,
    below(n) {
      const limit = 2 ** 32 - (2 ** 32 % n)
      let drawn = uint32()
      while (drawn >= limit) drawn = uint32()
      return drawn % n
    },
  }
}

/** 0 .. n - 1 in random order (Fisher and Yates). */
export function permutation(n: number, random: Random): Int32Array {
  const order = new Int32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const held = order[i]!
    order[i] = order[j]!
    order[j] = held
  }
  return order
}

/** A 32-bit integer scrambled so that near inputs give unrelated outputs; unsigned. Source: C. Wellons, "lowbias32". */
export function hash32(value: number): number {
  let x = value | 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}
