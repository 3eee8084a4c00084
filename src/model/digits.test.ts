/** Products by 8-bit digits beside plain ones in double precision. */

import { afterAll, describe, expect, it } from 'vitest'
import { splitMatrix } from './digits.ts'
import { float, openGraphSession } from './graphSession.ts'

const D_IN = 300
const D_OUT = 70

/** Normal numbers, the same every time. */
function normal(n: number, seed: number, scale = 1): Float32Array {
  let state = seed
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return Float32Array.from(
    { length: n },
    () => scale * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
}

/** Rounded to bf16. */
function asBf16(numbers: Float32Array): Float32Array {
  const bits = new Uint32Array(numbers.slice().buffer)
  return new Float32Array(bits.map((x) => (x + 0x8000) & 0xffff0000).buffer)
}

const recompose = ({ scales, both }: ReturnType<typeof splitMatrix>, d_in: number): Float32Array =>
  Float32Array.from({ length: both.length / 2 }, (_, i) => {
    const row = Math.floor(i / d_in)
    const at = 2 * row * d_in + (i % d_in)
    return (256 * both[at + d_in]! + both[at]!) * scales[row]!
  })

describe('splitMatrix', () => {
  it('keeps bf16 numbers that are not small beside their row exactly, and the rest to 2^-15 of its largest', () => {
    const matrix = asBf16(normal(D_OUT * D_IN, 1, 0.02))
    const digits = splitMatrix(matrix, D_IN)
    const found = recompose(digits, D_IN)
    for (let row = 0; row < D_OUT; row++) {
      const own = matrix.subarray(row * D_IN, (row + 1) * D_IN)
      const largest = Math.max(...own.map(Math.abs))
      for (const [i, value] of own.entries()) {
        const error = Math.abs(found[row * D_IN + i]! - value)
        expect(error).toBeLessThanOrEqual(Math.abs(value) >= largest / 64 ? 0 : largest / 32_639)
      }
    }
    expect(digits.high).toEqual(
      Int8Array.from(digits.high, (_, i) => digits.both[2 * i - (i % D_IN) + D_IN]!),
    )
  })

  it('takes rows of zeros, of one large number, and of the smallest', () => {
    const matrix = Float32Array.of(0, 0, 3e38, -1, 1e-45, 0)
    const found = recompose(splitMatrix(matrix, 2), 2)
    expect(found.subarray(0, 2)).toEqual(new Float32Array(2))
    expect(found[2]! / 3e38).toBeCloseTo(1, 4)
    expect(Math.abs(found[4]!)).toBeLessThan(1e-38)
  })

  it('refuses what is no number', () => {
    expect(() => splitMatrix(Float32Array.of(1, NaN), 2)).toThrow(/holds NaN.*--weights f32/)
    expect(() => splitMatrix(Float32Array.of(Infinity, 0), 2)).toThrow(/holds Infinity/)
  })
})

describe('products by digits', async () => {
  const matrix = asBf16(normal(D_OUT * D_IN, 2, 0.02))
  const session = await openGraphSession(
    'digits',
    new Map([['w', [D_OUT, D_IN]]]),
    {
      threads: 2,
      constants: { backend: 'cpu', areDigits: true, read: async () => matrix.slice() },
    },
    (graph) => {
      const y = graph.product!(graph.input('x', 'F32', ['m', D_IN]), 'w')
      graph.output('y', y, 'F32', ['m', D_OUT])
    },
  )
  afterAll(() => session.close())
  const product = async (x: Float32Array): Promise<Float32Array> =>
    (await session.run({ x: float(x, [x.length / D_IN, D_IN]) }, ['y'])).y

  it('are right to 2e-5 of their size, whatever the size of a row', async () => {
    const x = normal(9 * D_IN, 3)
    for (let i = 0; i < D_IN; i++) {
      x[i]! *= 1e-6
      x[D_IN + i]! *= 1e6
      x[2 * D_IN + i] = i === 7 ? 500 : x[2 * D_IN + i]!
      x[3 * D_IN + i] = 0
    }
    const y = await product(x)
    for (let row = 0; row < 9; row++) {
      let [error, size] = [0, 0]
      for (let out = 0; out < D_OUT; out++) {
        let sum = 0
        for (let i = 0; i < D_IN; i++) sum += x[row * D_IN + i]! * matrix[out * D_IN + i]!
        error += (y[row * D_OUT + out]! - sum) ** 2
        size += sum ** 2
      }
      if (row === 3) expect(error).toBe(0)
      else expect(Math.sqrt(error / size)).toBeLessThan(2e-5)
    }
  })

  it('carry what is no number over to its own row alone', async () => {
    const x = normal(3 * D_IN, 4)
    const expected = await product(x)
    for (const bad of [NaN, Infinity]) {
      x[D_IN + 5] = bad
      const y = await product(x)
      expect(y.subarray(0, D_OUT)).toEqual(expected.subarray(0, D_OUT))
      expect(y.subarray(D_OUT, 2 * D_OUT).every(Number.isNaN)).toBe(true)
      expect(y.subarray(2 * D_OUT)).toEqual(expected.subarray(2 * D_OUT))
    }
  })
})
