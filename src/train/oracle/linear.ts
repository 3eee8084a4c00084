/** The three products of a dense layer, on plain loops in f64. Matrices are row-major. */

/** `a B^T` [n, m] of a [n, d] and rows B [m, d]. Four rows at a time: a sum waits for each of its additions. */
export function dotRows(a: Float64Array, B: Float64Array, d: number): Float64Array {
  const n = a.length / d
  const m = B.length / d
  const out = new Float64Array(n * m)
  for (let t = 0; t < n; t++) {
    const at = t * d
    let i = 0
    for (; i + 4 <= m; i += 4) {
      let [z0, z1, z2, z3] = [0, 0, 0, 0]
      const [b0, b1, b2, b3] = [i * d, (i + 1) * d, (i + 2) * d, (i + 3) * d]
      for (let k = 0; k < d; k++) {
        const value = a[at + k]!
        z0 += value * B[b0 + k]!
        z1 += value * B[b1 + k]!
        z2 += value * B[b2 + k]!
        z3 += value * B[b3 + k]!
      }
      const to = t * m + i
      out[to] = z0
      out[to + 1] = z1
      out[to + 2] = z2
      out[to + 3] = z3
    }
    for (; i < m; i++) {
      let z = 0
      for (let k = 0; k < d; k++) z += a[at + k]! * B[i * d + k]!
      out[t * m + i] = z
    }
  }
  return out
}

/** Adds `a B` to out [n, d], for the columns [from, to) of a [n, m] and the same rows of B [m, d]; zeros in a are skipped. */
export function addTimesRows(
  out: Float64Array,
  a: Float64Array,
  B: Float64Array,
  { d, m, from = 0, to = m }: { d: number; m: number; from?: number; to?: number },
): void {
  for (let t = 0; t * m < a.length; t++) {
    for (let i = from; i < to; i++) {
      const value = a[t * m + i]!
      if (value === 0) continue
      for (let k = 0; k < d; k++) out[t * d + k]! += value * B[i * d + k]!
    }
  }
}

/** Adds `a^T b` to the rows [from, to) of out [m, d], of a [n, m] and b [n, d]; zeros in a are skipped. */
export function addOuter(
  out: Float64Array,
  a: Float64Array,
  b: Float64Array,
  { d, m, from = 0, to = m }: { d: number; m: number; from?: number; to?: number },
): void {
  for (let t = 0; t * m < a.length; t++) {
    for (let i = from; i < to; i++) {
      const value = a[t * m + i]!
      if (value === 0) continue
      for (let k = 0; k < d; k++) out[i * d + k]! += value * b[t * d + k]!
    }
  }
}

/** Adds the rows of a [n, d] to out [d], `factor` times. */
export function addColumnSums(out: Float64Array, a: Float64Array, factor = 1): void {
  const d = out.length
  for (let j = 0; j < a.length; j++) out[j % d]! += factor * a[j]!
}

/** Mean over n rows of the squared distance of two matrices. */
export function meanSquaredDistance(a: Float64Array, b: Float64Array, n: number): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += (a[j]! - b[j]!) ** 2
  return sum / n
}
