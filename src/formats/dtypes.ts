/**
 * Element types and their conversion to and from JavaScript's typed arrays.
 *
 * Tensor bytes are little-endian. Typed-array views use the machine's order, so every conversion here first
 * checks that the machine is little-endian too (x86-64 and ARM64 are; s390x is not and is refused).
 */

import type { Dtype, Tensor } from './tensor.ts'

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
}

/** Element types that hold floating-point activations and weights on disk. */
export type FloatDtype = 'F32' | 'F16' | 'BF16'

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** Number of elements of a shape; 1 for a scalar, whose shape is empty; Infinity past what a float64 holds. */
export function elementCount(shape: readonly number[]): number {
  // Sizes before a zero may overflow, and Infinity times 0 is no number.
  return shape.includes(0) ? 0 : shape.reduce((count, size) => count * size, 1)
}

/**
 * A tensor's elements as float32, row-major.
 *
 * F32 shares memory with `tensor.bytes` where they are aligned to 4 bytes; all other types are converted, F64 and
 * integers above 2^24 rounded to the nearest float32, BOOL as 0 and 1.
 * @throws RangeError if the bytes are fewer or more than the shape needs.
 */
export function toFloat32(tensor: Tensor): Float32Array {
  const bytes = alignedBytes(tensor)
  const n = elementCount(tensor.shape)
  const { buffer, byteOffset } = bytes
  switch (tensor.dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, n)
    case 'BF16':
      return widenBfloat16(new Uint16Array(buffer, byteOffset, n), new Float32Array(n))
    case 'F16':
      return new Float32Array(new Float16Array(buffer, byteOffset, n))
    case 'F64':
      return new Float32Array(new Float64Array(buffer, byteOffset, n))
    case 'I64':
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, n), Number)
    case 'U64':
      return Float32Array.from(new BigUint64Array(buffer, byteOffset, n), Number)
    case 'I32':
      return new Float32Array(new Int32Array(buffer, byteOffset, n))
    case 'U32':
      return new Float32Array(new Uint32Array(buffer, byteOffset, n))
    case 'I16':
      return new Float32Array(new Int16Array(buffer, byteOffset, n))
    case 'U16':
      return new Float32Array(new Uint16Array(buffer, byteOffset, n))
    case 'I8':
      return new Float32Array(new Int8Array(buffer, byteOffset, n))
    case 'U8':
      return new Float32Array(new Uint8Array(buffer, byteOffset, n))
    case 'BOOL':
      return Float32Array.from(new Uint8Array(buffer, byteOffset, n), (value) =>
        value === 0 ? 0 : 1,
      )
    default:
      throw unknownDtype(tensor.dtype satisfies never)
  }
}

/**
 * The same, written into an array.
 * @param into [n]
 * @throws RangeError as `toFloat32`, or if the array has another length.
 */
export function readFloat32(tensor: Tensor, into: Float32Array): void {
  if (tensor.dtype !== 'BF16') {
    into.set(toFloat32(tensor))
    return
  }
  const { buffer, byteOffset } = alignedBytes(tensor)
  const n = elementCount(tensor.shape)
  checkCount('readFloat32', into.length, [n])
  widenBfloat16(new Uint16Array(buffer, byteOffset, n), into)
}

/**
 * A tensor's elements as int32, row-major: token ids, counts, indices.
 *
 * I32 shares memory with `tensor.bytes` where they are aligned to 4 bytes.
 * @throws TypeError for floating-point types, RangeError if a 64-bit or U32 value does not fit.
 */
export function toInt32(tensor: Tensor): Int32Array {
  const bytes = alignedBytes(tensor)
  const n = elementCount(tensor.shape)
  const { buffer, byteOffset } = bytes
  switch (tensor.dtype) {
    case 'I32':
      return new Int32Array(buffer, byteOffset, n)
    case 'I64':
      return Int32Array.from(new BigInt64Array(buffer, byteOffset, n), narrow)
    case 'U64':
      return Int32Array.from(new BigUint64Array(buffer, byteOffset, n), narrow)
    case 'U32':
      return Int32Array.from(new Uint32Array(buffer, byteOffset, n), narrow)
    case 'I16':
      return new Int32Array(new Int16Array(buffer, byteOffset, n))
    case 'U16':
      return new Int32Array(new Uint16Array(buffer, byteOffset, n))
    case 'I8':
      return new Int32Array(new Int8Array(buffer, byteOffset, n))
    case 'U8':
    case 'BOOL':
      return new Int32Array(new Uint8Array(buffer, byteOffset, n))
    case 'F64':
    case 'F32':
    case 'F16':
    case 'BF16':
      throw new TypeError(`toInt32: the tensor is ${tensor.dtype}, expected an integer type.`)
    default:
      throw unknownDtype(tensor.dtype satisfies never)
  }
}

/**
 * Float32 values as a tensor; F16 and BF16 round to the nearest, ties to even.
 *
 * F32 shares memory with `values`.
 * @throws RangeError if the shape has another number of elements than `values`.
 */
export function fromFloat32(
  values: Float32Array,
  shape: readonly number[],
  dtype: FloatDtype = 'F32',
): Tensor {
  checkCount('fromFloat32', values.length, shape)
  switch (dtype) {
    case 'F32':
      return { dtype, shape, bytes: bytesOf(values) }
    case 'F16':
      return { dtype, shape, bytes: bytesOf(new Float16Array(values)) }
    case 'BF16':
      return { dtype, shape, bytes: bytesOf(narrowToBfloat16(values)) }
    default:
      throw unknownDtype(dtype satisfies never)
  }
}

/**
 * Int32 values as an I32 tensor that shares memory with `values`.
 * @throws RangeError if the shape has another number of elements than `values`.
 */
export function fromInt32(values: Int32Array, shape: readonly number[]): Tensor {
  checkCount('fromInt32', values.length, shape)
  return { dtype: 'I32', shape, bytes: bytesOf(values) }
}

/** A bfloat16 is the upper half of a float32. @param into [n] */
function widenBfloat16(halves: Uint16Array, into: Float32Array): Float32Array {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length)
  for (let i = 0; i < bits.length; i++) bits[i] = halves[i]! << 16
  return into
}

/** Adds half a unit of the last kept place, less one where that place is even; NaN stays NaN. */
function narrowToBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const halves = new Uint16Array(values.length)
  for (let i = 0; i < halves.length; i++) {
    const word = bits[i]!
    const notANumber = (word & 0x7fffffff) > 0x7f800000
    halves[i] = notANumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return halves
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  requireLittleEndian()
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** The tensor's bytes where a typed array may view them: copied only if they lie unaligned. */
function alignedBytes(tensor: Tensor): Uint8Array {
  requireLittleEndian()
  const { dtype, shape, bytes } = tensor
  const expected = elementCount(shape) * DTYPE_BYTES[dtype]
  if (bytes.byteLength !== expected) {
    throw new RangeError(
      `A ${dtype} tensor of shape [${shape.join(', ')}] has ${bytes.byteLength} bytes, expected ${expected}.`,
    )
  }
  return bytes.byteOffset % DTYPE_BYTES[dtype] === 0 ? bytes : new Uint8Array(bytes)
}

function narrow(value: bigint | number): number {
  const number = Number(value)
  if (number === (number | 0)) return number
  throw new RangeError(`toInt32: found the value ${value}, which 32 bits cannot hold.`)
}

function checkCount(caller: string, n: number, shape: readonly number[]): void {
  if (n === elementCount(shape)) return
  throw new RangeError(
    `${caller}: ${n} values given, expected ${elementCount(shape)} for shape [${shape.join(', ')}].`,
  )
}

function requireLittleEndian(): void {
  if (LITTLE_ENDIAN) return
  throw new TypeError(
    'This machine is big-endian; tensors are little-endian and would be read wrongly. Use an x86-64 or ARM64 machine.',
  )
}

function unknownDtype(dtype: string): TypeError {
  return new TypeError(
    `Unknown dtype ${dtype}, expected one of ${Object.keys(DTYPE_BYTES).join(', ')}.`,
  )
}
