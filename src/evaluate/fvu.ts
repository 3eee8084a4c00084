/** FVU: the fraction of variance that the reconstruction leaves unexplained. */

/** Sums over tokens from which FVU follows, gathered batch by batch. */
export type FvuSums = {
  readonly d: number
  n_tokens: number
  /** [d] The first token: sums are taken about it, so that a large common offset costs no digits. */
  shift: Float64Array | undefined
  /** [d] `sum_t (x_t - shift)` */
  readonly sum: Float64Array
  /** `sum_t ||x_t - shift||^2` */
  squares: number
  /** `sum_t ||x_t - recon_t||^2` */
  errors: number
}

/** Sums over no tokens yet, for activations of width `d`. */
export function fvuSums(d: number): FvuSums {
  return { d, n_tokens: 0, shift: undefined, sum: new Float64Array(d), squares: 0, errors: 0 }
}

/**
 * Adds tokens.
 * @param x [n, d]
 * @param recon [n, d]
 */
export function addToFvu(sums: FvuSums, x: Float32Array, recon: Float32Array): void {
  const { d, sum } = sums
  sums.shift ??= Float64Array.from(x.subarray(0, d))
  const { shift } = sums
  let squares = 0
  let errors = 0
  for (let row = 0; row < x.length; row += d) {
    for (let k = 0; k < d; k++) {
      const value = x[row + k]!
      const offset = value - shift[k]!
      const error = value - recon[row + k]!
      sum[k] = sum[k]! + offset
      squares += offset * offset
      errors += error * error
    }
  }
  sums.n_tokens += x.length / d
  sums.squares += squares
  sums.errors += errors
}

/**
 * `fvu = sum_t ||x_t - recon_t||^2 / sum_t ||x_t - mean(x)||^2`: a ratio of sums, not a mean of ratios.
 * @returns `undefined` where the activations do not vary, so that there is nothing to explain.
 * Source: arXiv:2408.05147 §4.
 */
export function fvu({ n_tokens, sum, squares, errors }: FvuSums): number | undefined {
  const mean_square = sum.reduce((total, value) => total + value * value, 0) / n_tokens
  const variance = squares - mean_square
  return variance > 0 ? errors / variance : undefined
}
