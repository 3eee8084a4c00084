/** Every compiled kernel, in both builds, against its readable twin on the same data. */

import { describe, expect, it } from 'vitest'
import { openRandom } from '../random.ts'
import { WEIGHT_DTYPES, type WeightDtype } from './jobs.ts'
import { compileKernels, type KernelVariant, openKernels } from './load.ts'
import { ACTIVATIONS } from './team.ts'
import * as twins from './twins.ts'

const VARIANTS: readonly KernelVariant[] = ['relaxed', 'plain']
const CASES = VARIANTS.flatMap((variant) => WEIGHT_DTYPES.map((dtype) => [variant, dtype] as const))

/** A memory of 1 MiB with arrays laid into it, and the kernels over it. */
function open(variant: KernelVariant) {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65_536, shared: true })
  const kernels = openKernels(compileKernels(variant), memory)
  let next = 65_536
  const room = (bytes: number): number => {
    const at = next
    next += Math.ceil(bytes / 64) * 64
    return at
  }
  const put = (x: Float32Array): number => {
    const at = room(x.byteLength)
    new Float32Array(memory.buffer, at, x.length).set(x)
    return at
  }
  const floats = (at: number, n: number) => new Float32Array(memory.buffer, at, n).slice()
  const bytes = (at: number, n: number) => new Uint8Array(memory.buffer, at, n).slice()
  return { kernels, room, put, floats, bytes }
}

/** Weights with what is easily got wrong: a block of zeros, equal extremes of both signs, halves, numbers that are tiny as f16. */
function weights(rows: number, d: number): Float32Array {
  const random = openRandom(7, rows)
  const W = Float32Array.from({ length: rows * d }, () => (random() + random() - 1) / 20)
  W.fill(0, 0, 32)
  W.set([-0.5, 0.5, 127 / 512, -3.5 / 256, 1.5 / 256, 2 ** -24, -(2 ** -20), 3e-5], d)
  W.fill(0, 2 * d, 3 * d)
  return W
}

const largest = (x: Float64Array): number => x.reduce((most, v) => Math.max(most, Math.abs(v)), 0)

describe.each(CASES)('%s %s', (variant, dtype) => {
  const [rows, d] = [48, 96]
  const W = weights(rows, d)
  const { kernels, room, put, floats, bytes } = open(variant)
  const twin = twins.pack(dtype, W, rows, d)
  const matrix = room(twin.length)
  const x_at = put(W)
  // In two calls, the first of which ends within a group of four rows.
  kernels[`pack_${dtype}`](matrix, 0, x_at, 5, d, rows)
  kernels[`pack_${dtype}`](matrix, 5, x_at + 5 * d * 4, rows - 5, d, rows)
  const rounded = Float32Array.from(
    Array.from({ length: rows }, (_, r) => [
      ...twins.roundWeights(dtype, W.subarray(r * d, (r + 1) * d)),
    ]).flat(),
  )

  it('packs rows as its twin does', () => {
    expect(bytes(matrix, twin.length)).toEqual(twin)
  })

  it('widens any rows to what they were rounded to', () => {
    const out = room(7 * d * 4)
    kernels[`widen_${dtype}`](matrix, 3, out, 7, d, rows)
    expect(floats(out, 7 * d)).toEqual(rounded.slice(3 * d, 10 * d))
  })

  it.each([1, 2, 3, 8])('multiplies by %i rows', (m) => {
    const random = openRandom(9, m)
    const x = Float32Array.from({ length: m * d }, () => random() * 4 - 2)
    x.fill(0, 32, 64)
    const at = put(x)
    const y_at = room(m * rows * 4)
    const input = prepared(dtype, kernels, at, room(m * d * 4), m * d)
    // The last 32 rows.
    kernels[`product_${dtype}`](matrix, 1, 2, input, m, d, y_at, rows)
    const y = floats(y_at, m * rows)
    const seen = dtype === 'q8' || dtype === 'q4' ? twins.roundInputs(x) : x
    const expected = twins.product(rounded, seen, d)
    const tolerance = 1e-6 * largest(expected)
    for (let t = 0; t < m; t++) {
      for (let r = 16; r < rows; r++) {
        const i = t * rows + r
        expect(Math.abs(y[i]! - expected[i]!), `row ${t}, output ${r}`).toBeLessThan(tolerance)
      }
    }
  })
})

/** Address of x in the form that products of this format read. */
function prepared(
  dtype: WeightDtype,
  kernels: ReturnType<typeof openKernels>,
  x: number,
  room: number,
  n: number,
): number {
  if (dtype === 'bf16' || dtype === 'f32') return x
  if (dtype === 'f16') kernels.scaleInput(x, room, n)
  else kernels.quantiseInput(x, room, n / 32)
  return room
}

describe.each(VARIANTS)('%s', (variant) => {
  it('rounds inputs to the integers of its twin', () => {
    const random = openRandom(3)
    const x = Float32Array.from({ length: 96 }, () => random() * 6 - 3)
    x.fill(0, 0, 32)
    x.set([127, -126.5, 0.5, 1.5, -2.5], 32)
    const { kernels, put, room, bytes, floats } = open(variant)
    const out = room(3 * 112)
    kernels.quantiseInput(put(x), out, 3)
    for (let b = 0; b < 3; b++) {
      const { unit, integers } = twins.roundBlock8(x.subarray(b * 32, (b + 1) * 32), false)
      const at = out + b * 112
      expect([...new Int8Array(bytes(at + 64, 32).buffer)]).toEqual(integers.map((q) => q + 0))
      expect([...bytes(at, 32)]).toEqual(integers.map(Math.abs))
      expect([...bytes(at + 32, 32)]).toEqual(integers.map((q) => (q < 0 ? 255 : 0)))
      expect(floats(at + 96, 1)[0]).toBe(unit)
      const sums = new Int32Array(bytes(at + 100, 8).buffer)
      expect(sums[0]).toBe(integers.reduce((sum, q) => sum + Math.max(0, -q), 0))
      expect(sums[1]! + 8 * integers.reduce((sum, q) => sum + q, 0)).toBe(0)
    }
  })

  it.each([
    { n: 13, d: 20, group: 3, softcap: 0 },
    { n: 1, d: 4, group: 1, softcap: 50 },
    { n: 34, d: 36, group: 2, softcap: 5 },
  ])(
    'attends over $n keys of $d with $group heads, softcap $softcap',
    ({ n, d, group, softcap }) => {
      const random = openRandom(5, n)
      const draw = (count: number) => Float32Array.from({ length: count }, () => random() * 4 - 2)
      const [q, k, v] = [draw(group * d), draw(n * d), draw(n * d)]
      const { kernels, put, room, floats } = open(variant)
      const z = room(group * d * 4)
      const [q_at, k_at, v_at, scores] = [put(q), put(k), put(v), room(group * (n + 3) * 4)]
      kernels.attend(q_at, k_at, v_at, z, scores, group, n, d, 0.7, softcap)
      const expected = twins.attend({
        ...{ q, k, v, m: 1, length: n, n_heads: group, n_kv_heads: 1, d_head: d, n_ctx: n },
        ...{ scale: 0.7, softcap, window: -1 },
      })
      for (const [i, value] of floats(z, group * d).entries())
        expect(Math.abs(value - expected[i]!), `number ${i}`).toBeLessThan(4e-6)
    },
  )

  it.each(ACTIVATIONS)('%s, gated and not', (act) => {
    const n = 804
    const x = Float32Array.from({ length: n }, (_, i) => (i - n / 2) / 25)
    const up = Float32Array.from(x, (_, i) => 1 + (i % 3))
    const { kernels, put, floats } = open(variant)
    const [gated, plain] = [put(x), put(x)]
    kernels.activate(ACTIVATIONS.indexOf(act), gated, put(up), n)
    kernels.activate(ACTIVATIONS.indexOf(act), plain, 0, n)
    for (const [i, value] of floats(plain, n).entries()) {
      // exp within 2 units in the last place; erf within 1.5e-7.
      const expected = twins.ACTIVATION_TWINS[act](x[i]!)
      expect(Math.abs(value - expected), `at ${x[i]}`).toBeLessThan(
        1e-6 * Math.max(1, Math.abs(x[i]!)),
      )
      expect(floats(gated, n)[i]).toBe(Math.fround(value * up[i]!))
    }
  })

  it('caps logits', () => {
    const x = Float32Array.from({ length: 404 }, (_, i) => (i - 200) / 2)
    const { kernels, put, floats } = open(variant)
    const at = put(x)
    kernels.softcap(at, 404, 30)
    // tanh is off by at most 2e-7.
    for (const [i, value] of floats(at, 404).entries())
      expect(Math.abs(value - 30 * Math.tanh(x[i]! / 30)), `of ${x[i]}`).toBeLessThan(6e-6)
  })
})
