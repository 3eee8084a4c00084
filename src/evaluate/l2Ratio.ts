/** L2 ratio: how long reconstructions are beside what they stand for. */

export type RatioSum = {
  /** `sum_t ||recon_t|| / ||x_t||` */
  sum: number
  /** Tokens whose activation is not zero. */
  n_tokens: number
}

/** A sum over no tokens yet. */
export const ratioSum = (): RatioSum => ({ sum: 0, n_tokens: 0 })

/**
 * Adds tokens; those whose activation is zero have no ratio and are passed over.
 * @param x [n, d] @param recon [n, d]
 */
export function addToRatio(total: RatioSum, x: Float32Array, recon: Float32Array, d: number): void {
  for (let row = 0; row < x.length; row += d) {
    let own = 0
    let theirs = 0
    for (let at = row; at < row + d; at++) {
      own += x[at]! * x[at]!
      theirs += recon[at]! * recon[at]!
    }
    if (own === 0) continue
    total.sum += Math.sqrt(theirs / own)
    total.n_tokens++
  }
}

/**
 * `l2_ratio = E(||recon|| / ||x||)`: a mean of ratios; below 1 where reconstructions have shrunk.
 * @returns `undefined` where every activation is zero.
 * Source: SAELens, `evals.py`.
 */
export function l2Ratio({ sum, n_tokens }: RatioSum): number | undefined {
  return n_tokens === 0 ? undefined : sum / n_tokens
}
