/** Seeded order and hashes on top of the model's generator (`openRandom`). */

import type { Random } from '../model/index.ts'

/** 0 .. n - 1 in random order (Fisher and Yates). */
export function permutation(n: number, random: Random): Int32Array {
  const order = new Int32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
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
