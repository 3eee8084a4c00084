/**
 * Reads text files into a corpus.
 *
 *   .jsonl               one JSON object a line, its text in the field "text"; blank lines are skipped
 *   anything else        plain text in UTF-8; documents are separated by a line `<|endoftext|>`, without one the whole
 *                        file is one document; the newlines next to a separator and one at the end of the file belong to it
 *   either with .gz      unpacked while it is read
 *
 * Documents of white space only are skipped. Files are streamed: memory holds the tokens and one document's text.
 */

import { openFile } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import type { Tokenizer } from '../model/index.ts'
import { bosOf, corpusBuilder, tokenizeText } from './corpus.ts'
import type { TokenCorpus } from './types.ts'

/** The line between two documents of a plain text file. */
export const DOCUMENT_SEPARATOR = '<|endoftext|>'

const READ_BYTES = 1 << 20

/**
 * Tokenizes the documents of text files, in the order of `paths`, each with one BOS in front; texts longer than `n_ctx`
 * tokens are cut into several documents, each with its own BOS.
 * @param n_ctx most tokens of a document, the BOS included: the model's context.
 * @throws FileError if a file cannot be read; FormatError if one is empty, is not text in UTF-8, is not gzip where its
 *   name says so, has a wrong line (with its number), or holds no document; RangeError without files.
 */
export async function readCorpus(
  paths: readonly string[],
  tokenizer: Tokenizer,
  { n_ctx, signal }: { n_ctx: number; signal?: AbortSignal },
): Promise<TokenCorpus> {
  if (paths.length === 0) throw new RangeError('readCorpus: no files given, expected at least one.')
  const builder = corpusBuilder({ n_ctx, bos: bosOf(tokenizer) })
  for (const path of paths) {
    let n_documents = 0
    for await (const text of readDocuments(path)) {
      signal?.throwIfAborted()
      const ids = tokenizeText(text, tokenizer)
      if (ids.length === 0) continue
      builder.addText(ids)
      n_documents++
    }
    if (n_documents === 0) {
      throw new FormatError(path, 'holds no document, only white space. Name a file with text.')
    }
    builder.endFile(path)
  }
  return builder.finish()
}

/** The documents of one file, blank ones left out. */
export async function* readDocuments(path: string): AsyncGenerator<string> {
  const isJsonLines = /\.jsonl(\.gz)?$/i.test(path)
  const documents = isJsonLines ? jsonDocuments(path) : plainDocuments(path)
  for await (const text of documents) if (text.trim() !== '') yield text
}

async function* plainDocuments(path: string): AsyncGenerator<string> {
  let lines: string[] = []
  for await (const { text, isLast } of readLines(path)) {
    if (text.trimEnd() === DOCUMENT_SEPARATOR) {
      yield lines.join('\n')
      lines = []
    } else if (!isLast || text !== '') {
      lines.push(text)
    }
  }
  yield lines.join('\n')
}

async function* jsonDocuments(path: string): AsyncGenerator<string> {
  for await (const { text: line, number } of readLines(path)) {
    if (line.trim() === '') continue
    yield textOfLine(path, number, line)
  }
}

function textOfLine(path: string, number: number, line: string): string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new FormatError(
      path,
      `line ${number} is not JSON: ${(cause as Error).message}. Every line of a .jsonl file is one object {"text": …}.`,
      { cause },
    )
  }
  if (typeof value === 'object' && value !== null && 'text' in value) {
    if (typeof value.text === 'string') return value.text
  }
  throw new FormatError(path, `line ${number} has no string in the field "text".`)
}

/** Lines without their line feed; the last is what follows the last line feed, often empty. */
async function* readLines(
  path: string,
): AsyncGenerator<{ text: string; number: number; isLast: boolean }> {
  let number = 1
  let rest = ''
  for await (const piece of readPieces(path)) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop()!
    for (const text of lines) yield { text, number: number++, isLast: false }
  }
  yield { text: rest, number, isLast: true }
}

/** The file's text in pieces, checked to be UTF-8 without NUL. */
async function* readPieces(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let n_bytes = 0
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (cause) {
      throw new FormatError(path, `is not text in UTF-8${NOT_TEXT}`, {
        offset_bytes: n_bytes,
        cause,
      })
    }
  }
  for await (const bytes of readUnpacked(path)) {
    const nul = bytes.indexOf(0)
    if (nul >= 0) {
      throw new FormatError(path, `holds a NUL byte: it is binary or UTF-16${NOT_TEXT}`, {
        offset_bytes: n_bytes + nul,
      })
    }
    yield decode(bytes)
    n_bytes += bytes.byteLength
  }
  yield decode()
}

const NOT_TEXT = ', expected text in UTF-8. Convert it, or name another file.'

async function* readUnpacked(path: string): AsyncGenerator<Uint8Array> {
  if (!/\.gz$/i.test(path)) {
    yield* readBlocks(path)
    return
  }
  const unpacked = ReadableStream.from<Uint8Array<ArrayBuffer>>(readBlocks(path)).pipeThrough(
    new DecompressionStream('gzip'),
  )
  try {
    for await (const bytes of unpacked) yield bytes
  } catch (cause) {
    if (cause instanceof FormatError || !(cause instanceof TypeError || isZlibError(cause))) {
      throw cause
    }
    throw new FormatError(
      path,
      'is not a whole gzip file, as its name ends in .gz. Copy it again, or rename it if it is not packed.',
      { cause },
    )
  }
}

async function* readBlocks(path: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const file = await openFile(path)
  try {
    if (file.size_bytes === 0) {
      throw new FormatError(path, 'is empty, expected text. Name a file with text in it.')
    }
    for (let at = 0; at < file.size_bytes; at += READ_BYTES) {
      yield await file.read(at, Math.min(READ_BYTES, file.size_bytes - at))
    }
  } finally {
    await file.close()
  }
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^Z_|ZLIB/.test(String(error.code))
}
