/** Activations as they are stored or held in buckets: made from float32, checked, and picked by rows as float32 again. */

import { type FloatDtype, fromFloat32, type Tensor } from '../formats/index.ts'

/** Activations [n, width] as they are stored; bfloat16 as its bits. */
export type Rows = {
  readonly width: number
  readonly data: Float32Array | Float16Array | Uint16Array
}

/** A view of stored bytes as rows; `bytes` must start at a multiple of 4. */
export function rowsOf(bytes: Uint8Array, dtype: FloatDtype, width: number): Rows {
  const { buffer, byteOffset, byteLength } = bytes
  switch (dtype) {
    case 'F32':
      return { width, data: new Float32Array(buffer, byteOffset, byteLength / 4) }
    case 'F16':
      return { width, data: new Float16Array(buffer, byteOffset, byteLength / 2) }
    case 'BF16':
      return { width, data: new Uint16Array(buffer, byteOffset, byteLength / 2) }
    default:
      throw new TypeError(`rowsOf: unknown dtype ${dtype satisfies never}.`)
  }
}

/**
 * Captured activations [n, width] in the element type they are kept in.
 * @param where for messages: what they are of.
 * @throws RangeError if one is larger than F16 can hold.
 */
export function toStored(
  values: Float32Array,
  width: number,
  dtype: FloatDtype,
  where: string,
): Tensor {
  const tensor = fromFloat32(values, [values.length / width, width], dtype)
  if (dtype === 'F16') checkHalves(tensor, where)
  return tensor
}

/** Sum of squares of captured activations. @throws RangeError if one is not finite. */
export function sumOfSquares(values: Float32Array, where: string): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!
  if (Number.isFinite(sum)) return sum
  throw new RangeError(
    `${where}: the model gave activations that are not finite. Check the checkpoint: its precision, and that it is whole.`,
  )
}

/** F16 ends at 65504; larger activations would be kept as infinite. */
function checkHalves({ bytes }: Tensor, where: string): void {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
  for (let i = 0; i < halves.length; i++) {
    if ((halves[i]! & 0x7c00) === 0x7c00) {
      throw new RangeError(
        `${where}: an activation is larger than F16 can hold (65504). Capture with dtype BF16 or F32.`,
      )
    }
  }
}

/**
 * out[n] = parts[part[n]] row[n], widened to float32.
 * @param part [n] which of `parts`, @param row [n] which row of it.
 * @param out [n, width], written whole.
 */
export function gatherRows(
  parts: readonly Rows[],
  part: Int32Array,
  row: Int32Array,
  out: Float32Array,
): void {
  const width = parts[0]!.width
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length)
  for (let n = 0; n < row.length; n++) {
    const { data } = parts[part[n]!]!
    const from = row[n]! * width
    const to = n * width
    if (data instanceof Uint16Array) {
      for (let j = 0; j < width; j++) bits[to + j] = data[from + j]! << 16
    } else {
      for (let j = 0; j < width; j++) out[to + j] = data[from + j]!
    }
  }
}
