/**
 * The documents of one file, by the ending of its name:
 *
 *   .parquet             one row a document, its text in the column "text"
 *   .jsonl               one JSON object a line, its text in the field "text"; blank lines are skipped
 *   .json                the same, or one array of such objects
 *   anything else        plain text in UTF-8; documents are separated by a line `<|endoftext|>`, without one the whole
 *                        file is one document; the newlines next to a separator and one at the end of the file belong to it
 *   .gz or .zst after    unpacked while it is read
 *
 * Documents of white space only are skipped. Files are streamed: memory holds one document's text and a few megabytes; of
 * Parquet the column of one row group, of a .json that is an array all of it.
 */
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { openFile } from '../files/index.ts'
import { type ByteSource, FormatError } from '../formats/index.ts'
import type { DataFile } from '../hub/index.ts'
import { readParquet } from './readParquet.ts'

/** The line between two documents of a plain text file. */
export const DOCUMENT_SEPARATOR = '<|endoftext|>'

/** Where the text of a document lies unless asked otherwise. */
const TEXT_COLUMN = 'text'

const READ_BYTES = 1 << 20

export const localFile = (path: string): DataFile => ({ name: path, open: () => openFile(path) })

/**
 * @param column field of JSON objects or column of Parquet that holds the text.
 * @throws FileError if the file cannot be read; FormatError if it is empty or damaged, is not text in UTF-8, is not packed as
 *   its name says, or a row or line (with its number) has no text.
 */
export async function* readDocuments(
  file: DataFile,
  column: string = TEXT_COLUMN,
): AsyncGenerator<string> {
  const source = await file.open()
  const named = { ...source, name: file.name, read: source.read.bind(source) }
  try {
    if (source.size_bytes === 0)
      throw new FormatError(file.name, 'is empty, expected text. Name a file with text in it.')
    for await (const text of documentsOf(named, column)) if (text.trim() !== '') yield text
  } finally {
    await source.close()
  }
}

function documentsOf(source: ByteSource, column: string): AsyncIterable<string> {
  const [, kind = ''] = /\.([a-z]+)(?:\.(?:gz|zst))?$/i.exec(source.name) ?? []
  switch (kind.toLowerCase()) {
    case 'parquet':
      return readParquet(source, column)
    case 'jsonl':
      return jsonLines(source, column)
    case 'json':
      return jsonDocuments(source, column)
    default:
      return plainDocuments(source)
  }
}

async function* plainDocuments(source: ByteSource): AsyncGenerator<string> {
  let lines: string[] = []
  for await (const { text, isLast } of linesOf(readPieces(source))) {
    if (text.trimEnd() === DOCUMENT_SEPARATOR) {
      yield lines.join('\n')
      lines = []
    } else if (!isLast || text !== '') {
      lines.push(text)
    }
  }
  yield lines.join('\n')
}

async function* jsonLines(
  source: ByteSource,
  column: string,
  pieces: AsyncIterable<string> = readPieces(source),
): AsyncGenerator<string> {
  for await (const { text: line, number } of linesOf(pieces)) {
    if (line.trim() === '') continue
    const value = parseJson(source.name, line, (said) => {
      return `line ${number} is not JSON: ${said}. Every line of a .jsonl file is one object {"${column}": …}.`
    })
    yield textOf(source.name, value, column, `line ${number}`)
  }
}

/** An array of objects begins with a bracket; anything else is taken for lines. */
async function* jsonDocuments(source: ByteSource, column: string): AsyncGenerator<string> {
  const pieces = readPieces(source)
  let start = ''
  for await (const piece of { [Symbol.asyncIterator]: () => ({ next: () => pieces.next() }) }) {
    start += piece
    if (start.trim() !== '') break
  }
  async function* whole(): AsyncGenerator<string> {
    yield start
    yield* pieces
  }
  if (!start.trimStart().startsWith('[')) {
    yield* jsonLines(source, column, whole())
    return
  }
  const text = (await Array.fromAsync(whole())).join('')
  const value = parseJson(source.name, text, (said) => `is not JSON: ${said}.`)
  for (const [row, item] of (value as unknown[]).entries())
    yield textOf(source.name, item, column, `object ${row + 1}`)
}

function parseJson(name: string, text: string, message: (said: string) => string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new FormatError(name, message((cause as Error).message), { cause })
  }
}

function textOf(name: string, value: unknown, column: string, where: string): string {
  const isObject = typeof value === 'object' && value !== null
  const text = isObject ? (value as Record<string, unknown>)[column] : undefined
  if (typeof text === 'string') return text
  const has = isObject ? ` It has ${Object.keys(value).slice(0, 8).join(', ')}.` : ''
  throw new FormatError(
    name,
    `${where} has no string in the field "${column}".${has} Name the field that holds the text (--text-column).`,
  )
}

/** Lines without their line feed; the last is what follows the last line feed, often empty. */
async function* linesOf(
  pieces: AsyncIterable<string>,
): AsyncGenerator<{ text: string; number: number; isLast: boolean }> {
  let number = 1
  let rest = ''
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop()!
    for (const text of lines) yield { text, number: number++, isLast: false }
  }
  yield { text: rest, number, isLast: true }
}

/** The file's text in pieces, checked to be UTF-8 without NUL. */
async function* readPieces(source: ByteSource): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let n_bytes = 0
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (cause) {
      throw new FormatError(source.name, `is not text in UTF-8${NOT_TEXT}`, {
        offset_bytes: n_bytes,
        cause,
      })
    }
  }
  for await (const bytes of readUnpacked(source)) {
    const nul = bytes.indexOf(0)
    if (nul >= 0) {
      throw new FormatError(source.name, `holds a NUL byte: it is binary or UTF-16${NOT_TEXT}`, {
        offset_bytes: n_bytes + nul,
      })
    }
    yield decode(bytes)
    n_bytes += bytes.byteLength
  }
  yield decode()
}

const NOT_TEXT = ', expected text in UTF-8. Convert it, or name another file.'

function readUnpacked(source: ByteSource): AsyncIterable<Uint8Array> {
  const [, ending] = /\.(gz|zst)$/i.exec(source.name) ?? []
  switch (ending?.toLowerCase()) {
    case 'gz':
      return unpackGzip(source)
    case 'zst':
      return unpackZstd(source)
    default:
      return readBlocks(source)
  }
}

async function* unpackGzip(source: ByteSource): AsyncGenerator<Uint8Array> {
  const unpacker = createGunzip()
  // The error of any part arrives where the unpacker is read.
  pipeline(Readable.from(readBlocks(source)), unpacker, () => undefined)
  try {
    yield* unpacker
  } catch (cause) {
    throw isZlibError(cause) ? notPacked(source, 'gzip', '.gz', cause) : cause
  }
}

/** Not by node:zlib, whose stream ends after the first frame without a word; tools that pack in parallel write many. */
async function* unpackZstd(source: ByteSource): AsyncGenerator<Uint8Array> {
  const { Decompress } = await import('fzstd')
  const ready: Uint8Array[] = []
  const unpacker = new Decompress((bytes) => ready.push(bytes.slice()))
  const push = (bytes: Uint8Array, isLast = false) => {
    try {
      unpacker.push(bytes, isLast)
    } catch (cause) {
      throw notPacked(source, 'Zstandard', '.zst', cause)
    }
  }
  for await (const block of readBlocks(source)) {
    push(block)
    yield* ready.splice(0)
  }
  push(new Uint8Array(), true)
  yield* ready
}

function notPacked(source: ByteSource, kind: string, ending: string, cause: unknown): FormatError {
  return new FormatError(
    source.name,
    `is not a whole ${kind} file, as its name ends in ${ending}. Copy it again, or rename it if it is not packed.`,
    { cause },
  )
}

/** The next block is on its way while one is used: reading may mean fetching. */
async function* readBlocks(source: ByteSource): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const readAt = (at: number) => {
    if (at >= source.size_bytes) return undefined
    const block = source.read(at, Math.min(READ_BYTES, source.size_bytes - at))
    block.catch(() => undefined) // heard where it is awaited, unless nobody asks for more
    return block
  }
  let next = readAt(0)
  for (let at = READ_BYTES; next !== undefined; at += READ_BYTES) {
    const block = await next
    next = readAt(at)
    yield block
  }
  await next
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^Z_|ZLIB/.test(String(error.code))
}
