/** Checks and reads the tensors that a dialect says an SAE has. */

import {
  elementCount,
  FormatError,
  quote,
  type TensorFile,
  toFloat32,
  toInt32,
} from '../../formats/index.ts'

/** What a tensor must look like. */
export type TensorSpec = {
  readonly shape: readonly number[]
  readonly kind?: 'integer'
  readonly isOptional?: true
}

const FLOATS = ['F32', 'F16', 'BF16', 'F64']
const INTEGERS = ['I64', 'I32', 'I16', 'I8', 'U8']

/**
 * Refuses a file that lacks a tensor, has another one, or has one of another shape or type.
 * @param what the kind of SAE, for messages.
 * @throws FormatError naming the tensor.
 */
export function checkTensors(
  file: TensorFile,
  specs: Readonly<Record<string, TensorSpec>>,
  what: string,
): void {
  const names = Object.keys(specs)
  const has = names.filter((name) => file.tensors.has(name))
  const missing = names.find((name) => !has.includes(name) && !specs[name]!.isOptional)
  if (missing !== undefined) {
    throw new FormatError(
      file.name,
      `has no tensor ${missing}; ${what} has ${names.filter((name) => !specs[name]!.isOptional).join(', ')}. Is it another kind of SAE, or cut short?`,
    )
  }
  const unknown = [...file.tensors.keys()].find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw new FormatError(
      file.name,
      `has the unknown tensor ${quote(unknown)}; ${what} has only ${names.join(', ')}. Is it another kind of SAE?`,
    )
  }
  for (const name of has) {
    const { shape, kind } = specs[name]!
    const found = file.tensors.get(name)!
    if (found.shape.join() !== shape.join()) {
      const isTurned = shape.length === 2 && found.shape.toReversed().join() === shape.join()
      throw new FormatError(
        file.name,
        `${name} has shape [${found.shape.join(', ')}], expected [${shape.join(', ')}] in ${what}. ` +
          (isTurned ? 'It is turned: save its transpose.' : 'Do the files belong together?'),
      )
    }
    const dtypes = kind === 'integer' ? INTEGERS : FLOATS
    if (!dtypes.includes(found.dtype)) {
      throw new FormatError(
        file.name,
        `${name} holds ${found.dtype}, expected one of ${dtypes.join(', ')} in ${what}. Convert it.`,
      )
    }
  }
}

/**
 * The sizes of a matrix, by which the others are checked.
 * @throws FormatError if there is none of this name, or it is no matrix.
 */
export function matrixSizes(
  file: TensorFile,
  name: string,
  what: string,
): readonly [number, number] {
  const shape = file.tensors.get(name)?.shape
  if (shape === undefined) {
    throw new FormatError(
      file.name,
      `has no tensor ${name}, as ${what} has. Is it another kind of SAE?`,
    )
  }
  const [rows, columns] = shape
  if (shape.length === 2 && rows! > 0 && columns! > 0) return [rows!, columns!]
  throw new FormatError(
    file.name,
    `${name} has shape [${shape.join(', ')}], expected a matrix in ${what}.`,
  )
}

/** A tensor as float32, in the order in which it lies. F32 shares memory with what was read. */
export async function readFloats(file: TensorFile, name: string): Promise<Float32Array> {
  return toFloat32(await file.read(name))
}

/** The transpose of a matrix, as float32. */
export async function readTurned(file: TensorFile, name: string): Promise<Float32Array> {
  const tensor = await file.read(name)
  const [rows, columns] = tensor.shape as [number, number]
  return transpose(toFloat32(tensor), rows, columns)
}

/** The one number of a tensor without axes, or of one element. */
export async function readNumber(file: TensorFile, name: string): Promise<number> {
  const tensor = await file.read(name)
  if (elementCount(tensor.shape) !== 1) {
    throw new FormatError(
      file.name,
      `${name} has shape [${tensor.shape.join(', ')}], expected one number.`,
    )
  }
  return INTEGERS.includes(tensor.dtype) ? toInt32(tensor)[0]! : toFloat32(tensor)[0]!
}

/** [columns, rows] from [rows, columns], in squares that stay in cache. */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(matrix.length)
  for (let top = 0; top < rows; top += 32) {
    const bottom = Math.min(rows, top + 32)
    for (let left = 0; left < columns; left += 32) {
      const right = Math.min(columns, left + 32)
      for (let j = left; j < right; j++) {
        for (let i = top; i < bottom; i++) turned[j * rows + i] = matrix[i * columns + j]!
      }
    }
  }
  return turned
}
