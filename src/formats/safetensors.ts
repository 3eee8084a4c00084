/**
 * Safetensors: an 8-byte length, a JSON header, then the tensors' bytes.
 *
 * The reader takes nothing on trust: a file whose header does not describe its bytes exactly is refused.
 * Source: https://github.com/huggingface/safetensors (format section of its README and `src/tensor.rs`).
 */

import type { ByteSource } from './byteSource.ts'
import { DTYPE_BYTES, elementCount } from './dtypes.ts'
import { FormatError } from './errors.ts'
import { findDuplicateKey, parseJson, quote } from './json.ts'
import type { Dtype, Tensor } from './tensor.ts'

/** The format's own limit on the JSON header. */
const MAX_HEADER_BYTES = 100_000_000
const LENGTH_BYTES = 8
const METADATA = '__metadata__'
/** The header, a tensor, its shape. */
const HEADER_DEPTH = 3

/** Where one tensor lies. */
export type SafetensorsEntry = {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** From the start of the file, in bytes. */
  readonly offset: number
  /** In bytes. */
  readonly length: number
}

/** A validated header over a byte source: tensors are read when asked for. */
export type SafetensorsFile = {
  /** For messages: the source's name. */
  readonly name: string
  /** In the order in which they lie in the file. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>
  /** The header's `__metadata__`; empty where there is none. */
  readonly metadata: Readonly<Record<string, string>>
  /**
   * Reads one tensor.
   * @throws FormatError if the file has no tensor of this name.
   */
  read(name: string): Promise<Tensor>
}

/** A tensor whose bytes come in pieces, for files larger than memory should hold. */
export type TensorStream = {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** The tensor's little-endian bytes in order; together exactly what shape and dtype need. */
  chunks(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/**
 * Reads and validates a header.
 * @throws FormatError if the file is truncated, its header is not the JSON that the format asks for, a tensor's range does
 *   not match its shape and dtype, or the ranges overlap, leave a hole or do not end where the file ends.
 */
export async function parseSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const fail = failAt(source.name)
  if (source.size_bytes < LENGTH_BYTES) {
    throw fail(
      0,
      `has ${source.size_bytes} bytes, expected at least 8 for the header length. ${COPY_AGAIN}`,
    )
  }
  const head = await source.read(0, LENGTH_BYTES)
  const headerLength = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true)
  if (headerLength > BigInt(MAX_HEADER_BYTES)) {
    throw fail(
      0,
      `says its header has ${headerLength} bytes, the format allows ${MAX_HEADER_BYTES}. It is not a safetensors file, or is damaged.`,
    )
  }
  const header_bytes = Number(headerLength)
  const dataStart = LENGTH_BYTES + header_bytes
  if (dataStart > source.size_bytes) {
    throw fail(
      0,
      `says its header has ${header_bytes} bytes, but only ${source.size_bytes - LENGTH_BYTES} follow. ${COPY_AGAIN}`,
    )
  }
  const { tensors, metadata } = readHeader(
    await source.read(LENGTH_BYTES, header_bytes),
    dataStart,
    fail,
  )
  checkRanges(tensors, dataStart, source.size_bytes, fail)
  return {
    name: source.name,
    tensors,
    metadata,
    async read(name) {
      const entry = tensors.get(name)
      if (entry === undefined) {
        throw new FormatError(
          source.name,
          `has no tensor ${quote(name)}; it has ${list([...tensors.keys()])}.`,
        )
      }
      const { dtype, shape, offset, length } = entry
      return { dtype, shape, bytes: await source.read(offset, length) }
    },
  }
}

/**
 * A whole safetensors file in memory.
 *
 * Tensors are ordered by element size, largest first, then by name, so that all of them are aligned and equal tensors
 * give equal bytes.
 * @throws RangeError if a tensor's bytes do not match its shape, TypeError for the reserved name `__metadata__`.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, Tensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const ordered = [...tensors].map(([name, tensor]) => ({ name, ...tensor })).sort(compareForLayout)
  for (const tensor of ordered) checkLength(tensor.name, tensor, tensor.bytes.byteLength)
  const header = renderHeader(ordered, metadata)
  const total = ordered.reduce((sum, tensor) => sum + tensor.bytes.byteLength, header.byteLength)
  const file = new Uint8Array(total)
  file.set(header)
  let at = header.byteLength
  for (const { bytes } of ordered) {
    file.set(bytes, at)
    at += bytes.byteLength
  }
  return file
}

/**
 * The same file as `writeSafetensors` gives, piece by piece.
 * @throws RangeError if a stream gives fewer or more bytes than its shape needs.
 */
export async function* streamSafetensors(
  tensors: Iterable<TensorStream>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array> {
  const ordered = [...tensors].sort(compareForLayout)
  yield renderHeader(ordered, metadata)
  for (const tensor of ordered) {
    let length = 0
    for await (const chunk of tensor.chunks()) {
      length += chunk.byteLength
      yield chunk
    }
    checkLength(tensor.name, tensor, length)
  }
}

type Layout = Pick<Tensor, 'dtype' | 'shape'> & { readonly name: string }
type Fail = (offset_bytes: number, message: string, cause?: unknown) => FormatError

const COPY_AGAIN = 'The file is cut short: copy or download it again.'
const DAMAGED = 'The file is damaged or was written by a faulty program: make it again.'

function failAt(path: string): Fail {
  return (offset_bytes, message, cause) => new FormatError(path, message, { offset_bytes, cause })
}

function readHeader(
  bytes: Uint8Array,
  dataStart: number,
  fail: Fail,
): { tensors: Map<string, SafetensorsEntry>; metadata: Record<string, string> } {
  if (bytes[0] !== 0x7b) {
    throw fail(
      LENGTH_BYTES,
      `header begins with byte ${bytes[0] ?? 'none'}, expected "{". ${DAMAGED}`,
    )
  }
  let parsed: unknown
  try {
    parsed = parseJson(bytes, HEADER_DEPTH)
  } catch (cause) {
    throw fail(LENGTH_BYTES, `header ${(cause as Error).message}. ${DAMAGED}`, cause)
  }
  const duplicate = findDuplicateKey(new TextDecoder().decode(bytes))
  if (duplicate !== undefined) {
    throw fail(LENGTH_BYTES, `header names ${quote(duplicate)} twice. ${DAMAGED}`)
  }
  let metadata: Record<string, string> = {}
  const entries: [string, SafetensorsEntry][] = []
  for (const [name, value] of Object.entries(parsed as Record<string, unknown>)) {
    if (name === METADATA) metadata = readMetadata(value, fail)
    else entries.push([name, readEntry(name, value, dataStart, fail)])
  }
  entries.sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length)
  return { tensors: new Map(entries), metadata }
}

function readMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (!isRecord(value) || Object.values(value).some((item) => typeof item !== 'string')) {
    throw fail(LENGTH_BYTES, `${METADATA} is ${quote(value)}, expected strings by name. ${DAMAGED}`)
  }
  return value as Record<string, string>
}

function readEntry(name: string, value: unknown, dataStart: number, fail: Fail): SafetensorsEntry {
  const at = `tensor ${quote(name)}`
  if (!isRecord(value))
    throw fail(
      LENGTH_BYTES,
      `${at} is ${quote(value)}, expected dtype, shape and data_offsets. ${DAMAGED}`,
    )
  const { dtype, shape, data_offsets, ...rest } = value
  const unknown = Object.keys(rest)
  if (unknown.length > 0) {
    throw fail(
      LENGTH_BYTES,
      `${at} has the unknown field ${quote(unknown[0])}, expected dtype, shape and data_offsets. ${DAMAGED}`,
    )
  }
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw fail(
      LENGTH_BYTES,
      `${at} has dtype ${quote(dtype)}, expected one of ${Object.keys(DTYPE_BYTES).join(', ')}. Convert the file to one of these.`,
    )
  }
  if (!isSizes(shape)) {
    throw fail(LENGTH_BYTES, `${at} has shape ${quote(shape)}, expected sizes. ${DAMAGED}`)
  }
  if (!isSizes(data_offsets) || data_offsets.length !== 2) {
    throw fail(
      LENGTH_BYTES,
      `${at} has data_offsets ${quote(data_offsets)}, expected [begin, end]. ${DAMAGED}`,
    )
  }
  const [begin, end] = data_offsets as [number, number]
  const expected = elementCount(shape) * DTYPE_BYTES[dtype as Dtype]
  if (end - begin !== expected || !Number.isSafeInteger(expected)) {
    throw fail(
      dataStart + begin,
      `${at} has ${end - begin} bytes, expected ${expected} for ${dtype} of shape ${quote(shape)}. ${DAMAGED}`,
    )
  }
  return { dtype: dtype as Dtype, shape, offset: dataStart + begin, length: end - begin }
}

/** The ranges, in order, must cover the rest of the file without overlap or hole. */
function checkRanges(
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  dataStart: number,
  size_bytes: number,
  fail: Fail,
): void {
  let at = dataStart
  for (const [name, { offset, length }] of tensors) {
    if (offset < at) {
      throw fail(
        offset,
        `tensor ${quote(name)} overlaps the one before it, which ends at ${at}. ${DAMAGED}`,
      )
    }
    if (offset > at) {
      throw fail(
        at,
        `${offset - at} bytes before tensor ${quote(name)} belong to no tensor. ${DAMAGED}`,
      )
    }
    at = offset + length
    if (at > size_bytes) {
      throw fail(
        offset,
        `tensor ${quote(name)} ends at ${at}, but the file has ${size_bytes} bytes. ${COPY_AGAIN}`,
      )
    }
  }
  if (at < size_bytes) {
    throw fail(at, `${size_bytes - at} bytes after the last tensor belong to no tensor. ${DAMAGED}`)
  }
}

function renderHeader(
  tensors: readonly Layout[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: string[] = []
  const keys = Object.keys(metadata).sort()
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`)
    fields.push(`"${METADATA}":{${pairs.join(',')}}`)
  }
  const names = new Set<string>()
  let begin = 0
  for (const { name, dtype, shape } of tensors) {
    if (name === METADATA) throw new TypeError(`A tensor may not be named ${METADATA}.`)
    if (names.has(name)) throw new TypeError(`Two tensors are named ${quote(name)}.`)
    names.add(name)
    const end = begin + elementCount(shape) * DTYPE_BYTES[dtype]
    fields.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`,
    )
    begin = end
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`)
  const header = new Uint8Array(LENGTH_BYTES + Math.ceil(json.byteLength / 8) * 8).fill(0x20)
  const header_bytes = header.byteLength - LENGTH_BYTES
  if (header_bytes > MAX_HEADER_BYTES) {
    throw new RangeError(
      `The header would have ${header_bytes} bytes, the format allows ${MAX_HEADER_BYTES}.`,
    )
  }
  new DataView(header.buffer).setBigUint64(0, BigInt(header_bytes), true)
  header.set(json, LENGTH_BYTES)
  return header
}

function compareForLayout(a: Layout, b: Layout): number {
  return DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : 1)
}

function checkLength(
  name: string,
  { dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>,
  length: number,
): void {
  const expected = elementCount(shape) * DTYPE_BYTES[dtype]
  if (length === expected) return
  throw new RangeError(
    `Tensor ${quote(name)} has ${length} bytes, expected ${expected} for ${dtype} of shape ${quote(shape)}.`,
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 8).map(quote)
  return names.length > 8 ? `${shown.join(', ')} and ${names.length - 8} more` : shown.join(', ')
}
