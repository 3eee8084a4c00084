/** Stored activations in memory, and rows picked from them as float32. */

import type { FloatDtype } from '../formats/index.ts'

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
