/** Readable twins of assembly/dense.ts. */

/** x [n, d] = c x - b for every row. */
export function centre(x: Float32Array, c: number, b: Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i] = c * x[i]! - b[i % b.length]!
}

/** y += c x. */
export function accumulate(y: Float32Array, c: number, x: Float32Array): void {
  for (let i = 0; i < y.length; i++) y[i]! += c * x[i]!
}

/** Column means of x [n, d] into mean [d]; returns the mean of the squared row norms. */
export function moments(x: Float32Array, mean: Float32Array): number {
  const n = x.length / mean.length
  mean.fill(0)
  let squares = 0
  for (let i = 0; i < x.length; i++) {
    mean[i % mean.length]! += x[i]! / n
    squares += x[i]! ** 2
  }
  return squares / n
}
