/**
 * Products of float32 rows with a matrix, on the units of a processor that multiply 8-bit integers (AMX, VNNI).
 *
 * A row of the matrix is 16-bit integers times a power of two, a row of x 24-bit integers times a number; both are cut into
 * signed digits to base 256, high first, and the products of digits that weigh enough are summed by their weight:
 *
 *     x = (x2 256^2 + x1 256 + x0) s,  w = (w1 256 + w0) r
 *     x w^T = (x2 w1^T 256^3 + [x2 x1] [w0 w1]^T 256^2 + [x1 x0] [w0 w1]^T 256) s r      (x0 w0^T is below 2^-30 of it)
 *
 * Sums of digits are exact in 32 bits up to d_in = 65,536. A bf16 number that is at least 2^-6 of the largest of its row is
 * kept exactly, a smaller one to 2^-15 of the largest: products of normal numbers are right to 1e-5 of their size, where
 * float32 gives 3e-7 and bf16 2e-3. A row of x that holds no number or an infinite one gives NaN.
 */

import type { OnnxGraph, OnnxValue } from '../formats/index.ts'

/** A matrix [d_out, d_in] in two digits: `high` [d_out, d_in], and `both` [d_out, 2 d_in] with the low digits of a row before its high ones. */
export type DigitMatrix = {
  /** [d_out], powers of two. */
  readonly scales: Float32Array<ArrayBuffer>
  readonly high: Int8Array<ArrayBuffer>
  readonly both: Int8Array<ArrayBuffer>
}

const BASE = 256
/** Two digits at most: 127 * 256 + 127. */
const MOST = 32_639
/** The first of three digits at most. */
const MOST_HIGH = 127
/** Digits of x are stored unsigned, as the kernels want them, with this for zero. */
const ZERO = 128

/** Cuts a matrix into digits. */
export function splitMatrix(matrix: Float32Array, d_in: number): DigitMatrix {
  const d_out = matrix.length / d_in
  const scales = new Float32Array(d_out)
  const high = new Int8Array(matrix.length)
  const both = new Int8Array(2 * matrix.length)
  for (let row = 0; row < d_out; row++) {
    const from = row * d_in
    let largest = 0
    for (let i = from; i < from + d_in; i++) largest = Math.max(largest, Math.abs(matrix[i]!))
    const scale = scaleOf(largest)
    scales[row] = scale
    const inverse = 1 / scale
    for (let i = 0; i < d_in; i++) {
      const whole = Math.round(matrix[from + i]! * inverse)
      const first = (whole + BASE / 2) >> 8
      high[from + i] = first
      both[2 * from + i] = whole - BASE * first
      both[2 * from + d_in + i] = first
    }
  }
  return { scales, high, both }
}

/** The least power of two by which a row's largest number fits two digits. @throws RangeError for a number that is none. */
function scaleOf(largest: number): number {
  if (largest === 0) return 1
  const scale = 2 ** Math.ceil(Math.log2(largest / MOST))
  if (Number.isFinite(scale)) return Math.max(scale, 2 ** -126)
  throw new RangeError(
    `a matrix of the model holds ${largest}, which 16-bit integers cannot: use --weights f32`,
  )
}

/** What a graph holds of a matrix: two constants of its digits, and its scales. */
export type DigitConstants = {
  readonly high: OnnxValue
  readonly both: OnnxValue
  readonly scales: OnnxValue
  readonly d_out: number
}

/**
 * Adds products to a graph. Rows that several products share are cut once.
 * @returns x [m, d_in] and a matrix to `x W^T` [m, d_out].
 */
export function openDigitProducts(
  graph: OnnxGraph,
): (x: OnnxValue, matrix: DigitConstants) => OnnxValue {
  const number = (value: number): OnnxValue =>
    graph.node('Constant', [], { attributes: { value_float: { float: value } } })
  const zero = graph.constant('digit_zero', 'U8', [], Uint8Array.of(ZERO))
  const cut = new Map<OnnxValue, ReturnType<typeof cutRows>>()

  function cutRows(x: OnnxValue) {
    const last = graph.node('Constant', [], { attributes: { value_ints: [-1] } })
    const largest = graph.node('ReduceMax', [graph.node('Abs', [x]), last], {
      attributes: { keepdims: 1 },
    })
    const scale = graph.node('Div', [
      graph.node('Max', [largest, number(2 ** -100)]),
      number(MOST_HIGH * BASE ** 2),
    ])
    const digits: OnnxValue[] = []
    let rest = graph.node('Div', [x, scale])
    for (const weight of [BASE ** 2, BASE, 1]) {
      const step = number(weight)
      const digit = graph.node('QuantizeLinear', [rest, step, zero])
      digits.push(digit)
      if (weight === 1) break
      rest = graph.node('Sub', [rest, graph.node('DequantizeLinear', [digit, step, zero])])
    }
    const [first, second, third] = digits as [OnnxValue, OnnxValue, OnnxValue]
    const pair = (a: OnnxValue, b: OnnxValue): OnnxValue =>
      graph.node('Concat', [a, b], { attributes: { axis: 1 } })
    // Digits know no NaN: 0 * sum |x| carries it over.
    const sum = graph.node('ReduceL1', [x, last], { attributes: { keepdims: 1 } })
    const guarded = graph.node('Add', [scale, graph.node('Mul', [sum, number(0)])])
    return { scale: guarded, first, upper: pair(first, second), lower: pair(second, third) }
  }

  return (x, { high, both, scales, d_out }) => {
    const rows = cut.get(x) ?? cutRows(x)
    cut.set(x, rows)
    const zeros = graph.constant(`${scales}_zero`, 'I8', [d_out], new Uint8Array(d_out))
    const product = (digits: OnnxValue, matrix: OnnxValue, weight: number): OnnxValue =>
      graph.node('QGemm', [digits, number(weight), zero, matrix, scales, zeros], {
        domain: 'com.microsoft',
        attributes: { transB: 1 },
      })
    const large = product(rows.first, high, BASE ** 3)
    const middle = product(rows.upper, both, BASE ** 2)
    const small = product(rows.lower, both, BASE)
    // `Sum` of three runs on one thread.
    const sum = graph.node('Add', [large, graph.node('Add', [middle, small])])
    return graph.node('Mul', [sum, rows.scale])
  }
}
