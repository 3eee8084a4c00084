/** Readable twins of assembly/: the same bytes for packed rows and rounded inputs, the same numbers elsewhere. */

import type { WeightDtype } from './jobs.ts'

const BLOCK = 32
const bits = new DataView(new ArrayBuffer(4))

/** The float nearest to x among those with an empty lower half (bf16), ties to even. */
export function toBf16(x: number): number {
  bits.setFloat32(0, x)
  const u = bits.getUint32(0)
  bits.setUint32(0, ((u + 0x7fff + ((u >>> 16) & 1)) & 0xffff0000) >>> 0)
  return bits.getFloat32(0)
}

/** The upper half of a float's bits. */
function upperHalf(x: number): number {
  bits.setFloat32(0, x)
  return bits.getUint16(0)
}

/** Nearest integer, ties to even, of the quotient rounded to f32; 0 where both are 0. */
function roundQuotient(x: number, unit: number): number {
  const q = Math.fround(x / unit)
  const below = Math.floor(q)
  const up = q - below > 0.5 || (q - below === 0.5 && below % 2 !== 0)
  return x === 0 ? 0 : below + (up ? 1 : 0)
}

/** A block of 32 numbers as `unit` times integers of 8 bits: unit = max / 127 (a bf16 for weights). */
export function roundBlock8(
  x: Float32Array,
  isWeight: boolean,
): { unit: number; integers: number[] } {
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const exact = Math.fround(largest / 127)
  const unit = isWeight ? toBf16(exact) : exact
  const clip = (q: number): number => Math.min(127, Math.max(-127, q))
  return { unit, integers: Array.from(x, (value) => clip(roundQuotient(value, unit))) }
}

/** A block of 32 weights as `unit` times integers from -8 to 7: the one farthest from 0 becomes -8. */
function roundBlock4(x: Float32Array): { unit: number; integers: number[] } {
  const [most, least] = [Math.max(0, ...x), Math.min(0, ...x)]
  const unit = toBf16(Math.fround((most >= -least ? most : least) / -8))
  const clip = (q: number): number => Math.min(7, Math.max(-8, q))
  return { unit, integers: Array.from(x, (value) => clip(roundQuotient(value, unit))) }
}

/** Weights of a row that lie in one cell of 4 bytes, and bytes of the units behind a block's cells. */
const LAYOUT = {
  q8: { in_cell: 4, unit_bytes: 8 },
  q4: { in_cell: 8, unit_bytes: 8 },
  bf16: { in_cell: 2, unit_bytes: 0 },
  f16: { in_cell: 2, unit_bytes: 0 },
  f32: { in_cell: 1, unit_bytes: 0 },
} as const

/**
 * W as it is packed: blocks of 4 rows and 32 columns, in which the four rows' cells alternate; behind all blocks of f16 a float
 * for each row.
 * @param W [rows, d], rows a multiple of 4, d of 32.
 */
export function pack(dtype: WeightDtype, W: Float32Array, rows: number, d: number): Uint8Array {
  const { in_cell, unit_bytes } = LAYOUT[dtype]
  const units_at = (BLOCK / in_cell) * 16
  const block_bytes = units_at + unit_bytes
  const blocks_bytes = ((rows * d) / (4 * BLOCK)) * block_bytes
  const bytes = new DataView(new ArrayBuffer(blocks_bytes + (dtype === 'f16' ? rows * 4 : 0)))
  for (let r = 0; r < rows; r++) {
    const row = W.subarray(r * d, (r + 1) * d)
    const lane = r % 4
    const power = rowPower(row)
    if (dtype === 'f16') bytes.setFloat32(blocks_bytes + r * 4, 2 ** 48 / power, true)
    for (let k = 0; k < d; k += BLOCK) {
      const block = row.subarray(k, k + BLOCK)
      const start = ((Math.floor(r / 4) * d + k) / BLOCK) * block_bytes
      const { unit, integers } = dtype === 'q4' ? roundBlock4(block) : roundBlock8(block, true)
      if (unit_bytes > 0) bytes.setUint16(start + units_at + lane * 2, upperHalf(unit), true)
      for (let i = 0; i < BLOCK; i++) {
        const cell =
          start + Math.floor((dtype === 'q4' ? i % 16 : i) / Math.min(in_cell, 4)) * 16 + lane * 4
        switch (dtype) {
          case 'q8':
            bytes.setInt8(cell + (i % 4), integers[i]!)
            break
          case 'q4': {
            const at = cell + (i % 4)
            bytes.setUint8(at, bytes.getUint8(at) | ((integers[i]! + 8) << (i < 16 ? 0 : 4)))
            break
          }
          case 'bf16':
            bytes.setUint16(cell + (i % 2) * 2, upperHalf(toBf16(block[i]!)), true)
            break
          case 'f16':
            bytes.setFloat16(cell + (i % 2) * 2, block[i]! * power, true)
            break
          case 'f32':
            bytes.setFloat32(cell, block[i]!, true)
            break
          default:
            dtype satisfies never
        }
      }
    }
  }
  return new Uint8Array(bytes.buffer)
}

/** The power of two that takes a row's largest weight to 2^14 .. 2^15. */
function rowPower(row: Float32Array): number {
  const largest = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return largest > 0
    ? 2 ** Math.min(78, Math.max(-78, 14 - Math.floor(Math.log2(largest))))
    : 2 ** 14
}

/** What a row of d weights becomes when it is packed and widened. */
export function roundWeights(dtype: WeightDtype, row: Float32Array): Float32Array {
  const blocks = Array.from({ length: row.length / BLOCK }, (_, b) =>
    row.subarray(b * BLOCK, (b + 1) * BLOCK),
  )
  switch (dtype) {
    case 'q8':
    case 'q4':
      return Float32Array.from(
        blocks.flatMap((block) => {
          const { unit, integers } = dtype === 'q8' ? roundBlock8(block, true) : roundBlock4(block)
          return integers.map((q) => q * unit)
        }),
      )
    case 'bf16':
      return row.map(toBf16)
    case 'f16': {
      const power = rowPower(row)
      return row.map((w) => Math.f16round(w * power) / power)
    }
    case 'f32':
      return row.slice()
    default:
      return dtype satisfies never
  }
}

/** What inputs become for q8 and q4: 8 bits in blocks of 32. */
export function roundInputs(x: Float32Array): Float32Array {
  const rounded = new Float32Array(x.length)
  for (let k = 0; k < x.length; k += BLOCK) {
    const { unit, integers } = roundBlock8(x.subarray(k, k + BLOCK), false)
    for (const [i, q] of integers.entries()) rounded[k + i] = q * unit
  }
  return rounded
}

/** y [m, rows] = x [m, d] W^T [d, rows]. */
export function product(W: Float32Array, x: Float32Array, d: number): Float64Array {
  const rows = W.length / d
  const m = x.length / d
  const y = new Float64Array(m * rows)
  for (let t = 0; t < m; t++)
    for (let r = 0; r < rows; r++)
      for (let k = 0; k < d; k++) y[t * rows + r]! += x[t * d + k]! * W[r * d + k]!
  return y
}

export type AttendTwin = {
  /** [m, n_heads, d_head] */
  readonly q: Float32Array
  /** [n_kv_heads, n_ctx, d_head], as v. */
  readonly k: Float32Array
  readonly v: Float32Array
  readonly m: number
  readonly length: number
  readonly n_heads: number
  readonly n_kv_heads: number
  readonly d_head: number
  readonly n_ctx: number
  readonly scale: number
  readonly softcap: number
  readonly window: number
}

/** z [m, n_heads, d_head]: `softmax(cap(scale q k^T)) v` over the keys at most `window` back. */
export function attend(input: AttendTwin): Float64Array {
  const { q, k, v, m, length, n_heads, n_kv_heads, d_head, n_ctx, scale, softcap, window } = input
  const z = new Float64Array(m * n_heads * d_head)
  for (let t = 0; t < m; t++) {
    for (let h = 0; h < n_heads; h++) {
      const query = (t * n_heads + h) * d_head
      const keys = Math.floor((h * n_kv_heads) / n_heads) * n_ctx * d_head
      const last = length - m + t
      const first = window < 0 ? 0 : Math.max(0, last - window + 1)
      const weights: number[] = []
      for (let j = first; j <= last; j++) {
        let score = 0
        for (let i = 0; i < d_head; i++) score += q[query + i]! * k[keys + j * d_head + i]!
        score *= scale
        weights.push(Math.exp(softcap > 0 ? softcap * Math.tanh(score / softcap) : score))
      }
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      for (const [j, weight] of weights.entries())
        for (let i = 0; i < d_head; i++)
          z[query + i]! += (weight / total) * v[keys + (first + j) * d_head + i]!
    }
  }
  return z
}

/** The activations by their definitions; erf by its series. */
export const ACTIVATION_TWINS = {
  gelu_tanh: (x: number): number =>
    0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  gelu: (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  silu: (x: number): number => x / (1 + Math.exp(-x)),
  relu: (x: number): number => Math.max(0, x),
} as const

/** erf(x) = 2 / sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)), for |x| below 5, beyond which it is 1 in f32. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}
