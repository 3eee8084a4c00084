import { describe, expect, it } from 'vitest'
import { elementCount, fromFloat32, fromInt32, toFloat32, toInt32 } from './dtypes.ts'
import type { Dtype } from './tensor.ts'

const tensor = (dtype: Dtype, array: ArrayBufferView, n: number) => ({
  dtype,
  shape: [n],
  bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
})

/** bfloat16 by arithmetic: the nearest of the two neighbours with 8 significant bits, ties to the even one. */
function nearestBfloat16(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value
  const unit = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), -126) - 7)
  const below = Math.floor(value / unit)
  const rest = value / unit - below
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0)
  return (below + (up ? 1 : 0)) * unit
}

it('counts elements: one of a scalar, none where a size is zero, however large the others', () => {
  expect(elementCount([])).toBe(1)
  expect(elementCount([3, 5, 7])).toBe(105)
  expect(elementCount([...Array(30).fill(2 ** 52), 0])).toBe(0)
})

describe('toFloat32', () => {
  it('widens bfloat16 as the upper half of a float32', () => {
    const bits = Uint16Array.of(0x3f80, 0xc049, 0x0001, 0x7f80, 0xff80, 0x0000)
    expect(toFloat32(tensor('BF16', bits, 6))).toEqual(
      Float32Array.of(1, -3.140625, 2 ** -133, Infinity, -Infinity, 0),
    )
  })

  it('converts every other type', () => {
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001)
    expect(toFloat32(tensor('F16', halves, 3))).toEqual(Float32Array.of(1, -2, 2 ** -24))
    expect(toFloat32(tensor('F64', Float64Array.of(0.1), 1))).toEqual(Float32Array.of(0.1))
    expect(toFloat32(tensor('I64', BigInt64Array.of(-5n), 1))).toEqual(Float32Array.of(-5))
    expect(toFloat32(tensor('U64', BigUint64Array.of(2n ** 63n), 1))).toEqual(
      Float32Array.of(2 ** 63),
    )
    expect(toFloat32(tensor('I32', Int32Array.of(-7), 1))).toEqual(Float32Array.of(-7))
    expect(toFloat32(tensor('U32', Uint32Array.of(2 ** 31), 1))).toEqual(Float32Array.of(2 ** 31))
    expect(toFloat32(tensor('I16', Int16Array.of(-9), 1))).toEqual(Float32Array.of(-9))
    expect(toFloat32(tensor('U16', Uint16Array.of(65535), 1))).toEqual(Float32Array.of(65535))
    expect(toFloat32(tensor('I8', Int8Array.of(-1), 1))).toEqual(Float32Array.of(-1))
    expect(toFloat32(tensor('U8', Uint8Array.of(255), 1))).toEqual(Float32Array.of(255))
    expect(toFloat32(tensor('BOOL', Uint8Array.of(0, 1, 2), 3))).toEqual(Float32Array.of(0, 1, 1))
  })

  it('reads bytes that lie unaligned', () => {
    const bytes = new Uint8Array(9)
    bytes.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1)
    const shifted = { dtype: 'F32', shape: [2], bytes: bytes.subarray(1) } as const
    expect(toFloat32(shifted)).toEqual(Float32Array.of(1.5, -2))
  })

  it('refuses bytes that do not match the shape', () => {
    expect(() => toFloat32({ dtype: 'F16', shape: [3, 5], bytes: new Uint8Array(28) })).toThrow(
      'A F16 tensor of shape [3, 5] has 28 bytes, expected 30.',
    )
  })
})

describe('fromFloat32', () => {
  it('rounds to bfloat16 as the definition does, ties to even', () => {
    const values = Float32Array.from(
      { length: 999 },
      (_, i) => Math.sin(i * i) * 10 ** ((i % 31) - 15),
    )
    values.set([1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8, 0, Infinity, -Infinity])
    const back = toFloat32(fromFloat32(values, [3, 333], 'BF16'))
    expect([...back]).toEqual(Array.from(values, nearestBfloat16))
  })

  it('keeps NaN, and what float16 can hold', () => {
    const noise = new Float32Array(Uint32Array.of(0x7f800001, 0x7fc00000).buffer)
    expect([...toFloat32(fromFloat32(noise, [2], 'BF16'))]).toEqual([NaN, NaN])
    const values = Float32Array.of(0.5, -65504, 2 ** -24)
    expect(toFloat32(fromFloat32(values, [3], 'F16'))).toEqual(values)
  })

  it('refuses another number of values than the shape has', () => {
    expect(() => fromFloat32(new Float32Array(4), [3])).toThrow(RangeError)
    expect(() => fromInt32(new Int32Array(4), [5])).toThrow('4 values given, expected 5')
  })
})

describe('toInt32', () => {
  it('narrows 64-bit ids and refuses what does not fit', () => {
    expect(toInt32(tensor('I64', BigInt64Array.of(-1n, 5n), 2))).toEqual(Int32Array.of(-1, 5))
    expect(() => toInt32(tensor('I64', BigInt64Array.of(2n ** 40n), 1))).toThrow(
      '32 bits cannot hold',
    )
    expect(() => toInt32(tensor('U32', Uint32Array.of(2 ** 31), 1))).toThrow(RangeError)
    expect(() => toInt32(tensor('F32', Float32Array.of(1), 1))).toThrow(TypeError)
  })
})
