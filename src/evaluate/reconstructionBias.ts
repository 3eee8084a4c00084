/** Relative reconstruction bias: by what factor reconstructions are too short or too long. */

export type BiasSums = {
  /** `sum_t ||recon_t||^2` */
  squares: number
  /** `sum_t x_t . recon_t` */
  products: number
}

/** Sums over no tokens yet. */
export const biasSums = (): BiasSums => ({ squares: 0, products: 0 })

/** Adds tokens. @param x [n, d] @param recon [n, d] */
export function addToBias(sums: BiasSums, x: Float32Array, recon: Float32Array): void {
  let squares = 0
  let products = 0
  for (let at = 0; at < x.length; at++) {
    squares += recon[at]! * recon[at]!
    products += x[at]! * recon[at]!
  }
  sums.squares += squares
  sums.products += products
}

/**
 * `relative_reconstruction_bias = E ||recon||^2 / E(x . recon)`, the inverse of the factor by which reconstructions would best be
 * multiplied: 1 is unbiased, below 1 they have shrunk.
 * @returns `undefined` where `E(x . recon)` is zero.
 * Source: arXiv:2404.16014, eq. 10.
 */
export function reconstructionBias({ squares, products }: BiasSums): number | undefined {
  return products === 0 ? undefined : squares / products
}
