/** FVU: the fraction of variance that the reconstruction leaves unexplained. */

/** Sums over tokens from which FVU follows, gathered batch by batch. */
export type FvuSums = {
  /** [d] Near the mean, as any token is: sums are taken about it, so that a large common offset costs no digits. */
  readonly shift: Float32Array
  n_tokens: number
  /** [d] `sum_t (x_t - shift)` */
  readonly sum: Float64Array
  /** `sum_t ||x_t - shift||^2` */
  squares: number
  /** `sum_t ||x_t - recon_t||^2` */
  errors: number
}

/** Sums over no tokens yet, about `shift` [d]. */
export function fvuSums(shift: Float32Array): FvuSums {
  return { shift, n_tokens: 0, sum: new Float64Array(shift.length), squares: 0, errors: 0 }
}

/**
 * Adds the tokens `from` to `to` of two arrays.
 * @param x [n, d]
 * @param recon [n, d]
 */
export function addToFvu(
  sums: FvuSums,
  x: Float32Array,
  recon: Float32Array,
  from: number = 0,
  to: number = x.length / sums.shift.length,
): void {
  const { shift, sum } = sums
  const d = shift.length
  let squares = 0
  let errors = 0
  for (let row = from * d; row < to * d; row += d) {
    for (let k = 0; k < d; k++) {
      const value = x[row + k]!
      const offset = value - shift[k]!
      const error = value - recon[row + k]!
      sum[k] = sum[k]! + offset
      squares += offset * offset
      errors += error * error
    }
  }
  sums.n_tokens += to - from
  sums.squares += squares
  sums.errors += errors
}

/** The sums over the tokens of several sums about the same shift, of which there is at least one. */
export function mergeFvu(parts: readonly (FvuSums | undefined)[]): FvuSums {
  const known = parts.filter((part) => part !== undefined)
  const all = fvuSums(known[0]!.shift)
  for (const part of known) {
    part.sum.forEach((value, k) => {
      all.sum[k]! += value
    })
    all.n_tokens += part.n_tokens
    all.squares += part.squares
    all.errors += part.errors
  }
  return all
}

/**
 * `fvu = sum_t ||x_t - recon_t||^2 / sum_t ||x_t - mean(x)||^2`: a ratio of sums, not a mean of ratios.
 * @param whole the tokens that `mean(x)` is taken over, where they are more than those summed over; same shift.
 * @returns `undefined` where the activations do not vary, so that there is nothing to explain.
 * Source: arXiv:2408.05147 §4.
 */
export function fvu(part: FvuSums, whole: FvuSums = part): number | undefined {
  let across = 0
  let mean_square = 0
  for (let k = 0; k < whole.sum.length; k++) {
    const mean = whole.sum[k]! / whole.n_tokens
    across += mean * part.sum[k]!
    mean_square += mean * mean
  }
  const variance = part.squares - 2 * across + part.n_tokens * mean_square
  return variance > 0 ? part.errors / variance : undefined
}
