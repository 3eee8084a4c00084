/** Chance for mutators: seeded, so that every input can be made again from its target, seed and index. */

/** Numbers that programs forget: edges of the integer widths, of float64's whole numbers, and what is no size at all. */
const INTERESTING = [
  0n, 1n, 2n, 7n, 8n, 63n, 64n, 127n, 128n, 255n, 256n, 1023n, 65_535n, 65_536n,
  2n ** 24n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 40n,
  2n ** 53n - 1n, 2n ** 53n, 2n ** 60n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n,
  -1n, -2n, -128n, -(2n ** 31n), -(2n ** 63n),
] as const // biome-ignore format: a row a width

/** A source of chance. */
export class Random {
  #state: number

  /** @param key equal keys give equal sequences. */
  constructor(key: string) {
    let hash = 0x811c9dc5
    for (let at = 0; at < key.length; at++) {
      hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
    }
    this.#state = hash >>> 0
  }

  /** A whole number of 0 .. n - 1; 0 where n is 0. */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let word = this.#state
    word = Math.imul(word ^ (word >>> 15), word | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return Math.floor((((word ^ (word >>> 14)) >>> 0) / 2 ** 32) * n)
  }

  /** True once in n. */
  once(n: number): boolean {
    return this.below(n) === 0
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** A small number, 1 more often than 2, 2 more often than 3. */
  few(most: number): number {
    let n = 1
    while (n < most && this.once(2)) n++
    return n
  }

  /** A length up to `most`, short ones more often. */
  length(most: number): number {
    return this.below(this.below(most + 1) + 1)
  }

  bytes(n: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: n }, () => this.below(256))
  }

  /** An interesting integer, or one beside it. */
  integer(): bigint {
    const value = this.pick(INTERESTING)
    return this.once(4) ? value + BigInt(this.below(5) - 2) : value
  }
}
