/**
 * NumPy's .npy arrays, as they lie inside .npz files: little-endian numbers of versions 1, 2 and 3, in C or Fortran order.
 * Source: numpy/lib/format.py (format description in its docstring).
 */

import { DTYPE_BYTES, elementCount } from './dtypes.ts'
import { FormatError } from './errors.ts'
import { quote } from './json.ts'
import type { Dtype, Tensor } from './tensor.ts'

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)
const ALIGNMENT = 64
export const MAX_HEADER_BYTES = 65_536
/** NumPy 2's own limit. */
const MAX_AXES = 64

/** NumPy's type strings, without byte order. */
const DTYPES: Readonly<Record<string, Dtype>> = {
  f8: 'F64',
  f4: 'F32',
  f2: 'F16',
  i8: 'I64',
  i4: 'I32',
  i2: 'I16',
  i1: 'I8',
  u8: 'U64',
  u4: 'U32',
  u2: 'U16',
  u1: 'U8',
  b1: 'BOOL',
}

/** What an array's header says. */
type NpyHeader = {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** The first index runs fastest. */
  readonly fortran_order: boolean
  /** Where the numbers begin. */
  readonly data_start: number
}

/**
 * Reads the header of an .npy array.
 * @param name for messages.
 * @throws FormatError for another magic or version, big-endian numbers, strings, Python objects and structures, and for a
 *   header that is not exactly the dictionary which NumPy writes.
 */
export function parseNpyHeader(name: string, bytes: Uint8Array): NpyHeader {
  const fail = (message: string, offset_bytes: number) =>
    new FormatError(name, message, { offset_bytes })
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw fail('does not begin with \\x93NUMPY. It is not an .npy array.', 0)
  }
  const version = bytes[6]
  if (version !== 1 && version !== 2 && version !== 3) {
    throw fail(
      `is .npy version ${version ?? 'none'}, expected 1, 2 or 3. Save it with numpy.save.`,
      6,
    )
  }
  const length_bytes = version === 1 ? 2 : 4
  const dict_start = 8 + length_bytes
  if (bytes.length < dict_start) throw fail('ends inside its header. Copy it again.', bytes.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const data_start =
    dict_start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true))
  if (data_start > bytes.length || data_start > MAX_HEADER_BYTES) {
    throw fail(
      `says its header ends at byte ${data_start} of ${bytes.length}, expected at most ${MAX_HEADER_BYTES}. It is damaged.`,
      8,
    )
  }
  const text = new TextDecoder('latin1').decode(bytes.subarray(dict_start, data_start))
  const { descr, fortran_order, shape, ...rest } = readDict(text) ?? {}
  if (
    typeof descr !== 'string' ||
    typeof fortran_order !== 'boolean' ||
    !Array.isArray(shape) ||
    Object.keys(rest).length > 0
  ) {
    throw fail(
      `has the header ${quote(text.trim())}, expected descr, fortran_order and shape of plain numbers. Save it with numpy.save.`,
      dict_start,
    )
  }
  if (shape.length > MAX_AXES) {
    throw fail(`has ${shape.length} axes, expected at most ${MAX_AXES}. It is damaged.`, dict_start)
  }
  return { dtype: readDescr(descr, fail), shape, fortran_order, data_start }
}

/** One `'key': value, ` of the dictionary; a value is a string, True, False or what stands between brackets. */
const FIELD =
  /\s*(?:'(\w+)'|"(\w+)")\s*:\s*(?:'([^'"\\]*)'|"([^'"\\]*)"|(True|False)|\(([\d\s,]*)\))\s*(,|(?=\}))/y

/** The header's dictionary; undefined if it is another one than NumPy writes, or names a key twice. */
function readDict(text: string): Record<string, string | boolean | number[]> | undefined {
  const fields = new Map<string, string | boolean | number[]>()
  const open = /^\s*\{/.exec(text)
  if (open === null) return undefined
  let at = open[0].length
  for (;;) {
    if (/^\s*\}\s*$/.test(text.slice(at))) return Object.fromEntries(fields)
    FIELD.lastIndex = at
    const field = FIELD.exec(text)
    if (field === null) return undefined
    const [whole, single, double, quotedOnce, quotedTwice, truth, sizes] = field
    const key = single ?? double!
    const value =
      quotedOnce ?? quotedTwice ?? (sizes === undefined ? truth === 'True' : sizesOf(sizes))
    if (value === undefined || fields.has(key)) return undefined
    fields.set(key, value)
    at += whole.length
  }
}

/** A tuple of whole numbers, with a comma behind the last or without; undefined for anything else. */
function sizesOf(tuple: string): number[] | undefined {
  const sizes = tuple.split(',').map((size) => size.trim())
  if (sizes.at(-1) === '') sizes.pop()
  const isSize = (size: string) => /^\d+$/.test(size) && Number.isSafeInteger(Number(size))
  return sizes.every(isSize) ? sizes.map(Number) : undefined
}

/**
 * An .npy array as a tensor in C order, which shares memory with `bytes`; Fortran order is transposed into new memory.
 * @throws FormatError as `parseNpyHeader`, and if the data are shorter or longer than the shape needs.
 */
export function parseNpy(name: string, bytes: Uint8Array): Tensor {
  const { dtype, shape, fortran_order, data_start } = parseNpyHeader(name, bytes)
  const expected = elementCount(shape) * DTYPE_BYTES[dtype]
  const found = bytes.length - data_start
  if (found !== expected) {
    throw new FormatError(
      name,
      `has ${found} bytes of numbers, expected ${expected} for ${dtype} of shape ${quote(shape)}. It is cut short or damaged: copy it again.`,
      { offset_bytes: data_start },
    )
  }
  const data = bytes.subarray(data_start)
  return { dtype, shape, bytes: fortran_order ? toRowMajor(data, shape, dtype) : data }
}

/** The header of a tensor's .npy array, version 1, C order, padded so that the data are aligned to 64 bytes. */
export function renderNpyHeader({ dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>): Uint8Array {
  const type = Object.keys(DTYPES).find((key) => DTYPES[key] === dtype)
  if (type === undefined) {
    throw new TypeError(`NumPy has no type for ${dtype}; convert the tensor to F32 first.`)
  }
  const descr = `${DTYPE_BYTES[dtype] === 1 ? '|' : '<'}${type}`
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${tuple}), }`
  const length = Math.ceil((10 + dict.length + 1) / ALIGNMENT) * ALIGNMENT
  const header = new Uint8Array(length).fill(0x20)
  header.set(MAGIC)
  header.set([1, 0], 6)
  new DataView(header.buffer).setUint16(8, length - 10, true)
  header.set(new TextEncoder().encode(dict), 10)
  header[length - 1] = 0x0a
  return header
}

function readDescr(descr: string, fail: (message: string, offset: number) => FormatError): Dtype {
  const order = descr[0]
  const dtype = Object.hasOwn(DTYPES, descr.slice(1)) ? DTYPES[descr.slice(1)] : undefined
  if (dtype === undefined) {
    throw fail(
      `holds numbers of type ${quote(descr)}, expected one of ${Object.keys(DTYPES).join(', ')}.`,
      10,
    )
  }
  if (order === '>') {
    throw fail(
      `holds big-endian numbers ('${descr}'), expected little-endian. Save it with array.astype('<${descr.slice(1)}').`,
      10,
    )
  }
  if (order !== '<' && !(order === '|' && DTYPE_BYTES[dtype] === 1)) {
    throw fail(`holds numbers of unknown byte order (${quote(descr)}), expected '<'.`, 10)
  }
  return dtype
}

/** Elements in Fortran order (first index fastest) put into C order (last index fastest). */
function toRowMajor(bytes: Uint8Array, shape: readonly number[], dtype: Dtype): Uint8Array {
  const n = elementCount(shape)
  const width = DTYPE_BYTES[dtype]
  const from = words(bytes.byteOffset % width === 0 ? bytes : bytes.slice(), width, n)
  const out = new Uint8Array(bytes.length)
  const to = words(out, width, n)
  const stride: number[] = []
  for (let axis = 0, step = 1; axis < shape.length; axis++) {
    stride.push(step)
    step *= shape[axis]!
  }
  const at = new Array<number>(shape.length).fill(0)
  let source = 0
  for (let i = 0; i < n; i++) {
    to[i] = from[source]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis]!++
      source += stride[axis]!
      if (at[axis]! < shape[axis]!) break
      source -= at[axis]! * stride[axis]!
      at[axis] = 0
    }
  }
  return out
}

/** Elements as unsigned words of their width: moved, never read as numbers. 64-bit words move as BigInt. */
function words(bytes: Uint8Array, width: number, n: number): { [index: number]: number | bigint } {
  const { buffer, byteOffset } = bytes
  switch (width) {
    case 8:
      return new BigUint64Array(buffer, byteOffset, n)
    case 4:
      return new Uint32Array(buffer, byteOffset, n)
    case 2:
      return new Uint16Array(buffer, byteOffset, n)
    default:
      return bytes
  }
}
