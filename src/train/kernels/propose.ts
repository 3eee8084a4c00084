/** Readable twins of assembly/propose.ts. */
import type { PlainShard } from './shard.ts'

const { fround } = Math

/** The largest magnitude of a row becomes 127 units. */
const LARGEST = 127
/** Norms are enlarged for what their own sums may lose. */
const SLACK = 1.0001

/** Nearest whole number, half to even, of what f32 holds of it. */
const whole = (value: number) => fround(fround(fround(value) + 12_582_912) - 12_582_912)

const row = (array: Float32Array, i: number, d: number) => array.subarray(i * d, (i + 1) * d)

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** A row in whole units of 1 / 127 of its largest magnitude, with norms in these units. */
function roundRow(values: Float32Array): {
  units: number
  rounded: number[]
  error: number
  norm: number
} {
  const largest = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  const units = largest > 0 ? fround(LARGEST / largest) : 1
  const scaled = Array.from(values, (v) => fround(units * v))
  const rounded = scaled.map(whole)
  const error = Math.hypot(...scaled.map((v, k) => v - rounded[k]!))
  return { units, rounded, error, norm: Math.hypot(...scaled) }
}

/**
 * Rows of x in whole units, 128 for zero, into x_8 [n, d]; per row its units a float, a bound of its rounded row's norm, and
 * one of what rounding and the sums of `decide` may lose.
 */
export function roundInputs(s: PlainShard): void {
  for (let n = 0; n < s.n; n++) {
    const { units, rounded, error, norm } = roundRow(row(s.x, n, s.d))
    bytesOf(s.x_8).set(
      rounded.map((v) => v + 128),
      n * s.d,
    )
    s.x_unit[n] = units
    s.x_norm[n] = (norm + error) * SLACK
    s.x_error[n] = (error + (s.d / 8 + 16) * 2 ** -24 * (norm + error)) * SLACK
  }
}

/** Rows of W_enc in whole units into W_8 [d, width], transposed, with `flip` on every byte; norms as for x, and the cut in units. */
export function roundLatents(s: PlainShard): void {
  const W_8 = bytesOf(s.W_8)
  for (let i = 0; i < s.width; i++) {
    const { units, rounded, error, norm } = roundRow(row(s.W_enc, i, s.d))
    for (let k = 0; k < s.d; k++) W_8[k * s.width + i] = rounded[k]! ^ s.flip
    s.unit[i] = units
    s.norm_8[i] = norm * SLACK
    s.error_8[i] = error * SLACK
    s.cut[i] = fround(s.low[i]! - s.b_enc[i]!) * units
  }
}

/**
 * Appends to the compressed rows the entries of m tokens that may exceed `low`: by Cauchy-Schwarz the whole sums are off by at
 * most `|r| |w| + |x'| |q|`, r and q being what rounding took off x and w. Values are left to `decide`.
 * @param sums [m, width] x_8 W_8 in whole units
 * @returns entries now, or -1 if another full row might not fit.
 */
export function propose(
  s: PlainShard,
  sums: Int32Array,
  { first, m, nnz: before }: { first: number; m: number; nnz: number },
): number {
  let nnz = before
  for (let n = 0; n < m; n++) {
    s.row_start[first + n] = nnz
    if (nnz + s.width > s.capacity) return -1
    const t = first + n
    for (let i = 0; i < s.width; i++) {
      const off = s.x_error[t]! * s.norm_8[i]! + s.x_norm[t]! * s.error_8[i]!
      if (sums[n * s.width + i]! > s.x_unit[t]! * s.cut[i]! - off) s.index[nnz++] = i
    }
  }
  s.row_start[first + m] = nnz
  return nnz
}

/** Computes the proposed entries of tokens [first, first + m) in full and keeps those above `low`; returns entries now. */
export function decide(s: PlainShard, first: number, m: number): number {
  let e = s.row_start[first]!
  let at = e
  for (let n = first; n < first + m; n++) {
    const end = s.row_start[n + 1]!
    s.row_start[n] = at
    for (; e < end; e++) {
      const i = s.index[e]!
      let z = s.b_enc[i]!
      for (let k = 0; k < s.d; k++) z += s.x[n * s.d + k]! * s.W_enc[i * s.d + k]!
      if (z <= s.low[i]!) continue
      s.index[at] = i
      s.value[at++] = z
    }
  }
  s.row_start[first + m] = at
  return at
}
