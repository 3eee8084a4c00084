/** How alike the activations of the same tokens are in two models. */

import type { Likeness } from './types.ts'

export type LikenessSums = { n_tokens: number; cosine: number; apart: number; squares: number }

/** Sums over no tokens yet. */
export const likenessSums = (): LikenessSums => ({ n_tokens: 0, cosine: 0, apart: 0, squares: 0 })

/** Adds tokens: base and tuned [n, d]. A token that is zero in both is alike, in one it is not. */
export function addLikeness(
  sums: LikenessSums,
  base: Float32Array,
  tuned: Float32Array,
  d: number,
): void {
  for (let row = 0; row < base.length; row += d) {
    let product = 0
    let of_base = 0
    let of_tuned = 0
    let apart = 0
    for (let j = row; j < row + d; j++) {
      const [x, y] = [base[j]!, tuned[j]!]
      product += x * y
      of_base += x * x
      of_tuned += y * y
      apart += (y - x) ** 2
    }
    sums.cosine += apart === 0 ? 1 : product / (Math.sqrt(of_base * of_tuned) || 1)
    sums.apart += apart
    sums.squares += of_base
    sums.n_tokens++
  }
}

/** What the sums come to; there is at least one token. */
export function likenessOf({ n_tokens, cosine, apart, squares }: LikenessSums): Likeness {
  return {
    cosine: cosine / n_tokens,
    distance: apart === 0 ? 0 : Math.sqrt(apart / squares),
  }
}
