/** One column of a Parquet file, row group by row group; only the bytes of that column are read. */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import {
  type AsyncBuffer,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet'
import { type ByteSource, FormatError } from '../formats/index.ts'

/** Pages of text unpack to some ten times their size; more than deflate can reach is a damaged or hostile file. */
const MAX_RATIO = 1032

/** Snappy is built in. */
const compressors = {
  GZIP: (bytes: Uint8Array, size_bytes: number) => gunzipSync(bytes, limit(bytes, size_bytes)),
  ZSTD: (bytes: Uint8Array, size_bytes: number) =>
    zstdDecompressSync(bytes, limit(bytes, size_bytes)),
  BROTLI: (bytes: Uint8Array, size_bytes: number) =>
    brotliDecompressSync(bytes, limit(bytes, size_bytes)),
}

/** Unpacking stops where the page's header says it ends. */
function limit(bytes: Uint8Array, size_bytes: number): { maxOutputLength: number } {
  return { maxOutputLength: Math.max(1, Math.min(size_bytes, MAX_RATIO * bytes.length)) }
}

/**
 * The texts of a column; rows without a value are skipped.
 * @throws FormatError if it is not Parquet or damaged, if it has no such column, or a value is no text; what reading throws.
 */
export async function* readParquet(source: ByteSource, column: string): AsyncGenerator<string> {
  const failed: { reading?: unknown } = {}
  const file: AsyncBuffer = {
    byteLength: source.size_bytes,
    slice(start, end = source.size_bytes) {
      const from = start < 0 ? Math.max(0, source.size_bytes + start) : start
      const read = source
        .read(from, Math.min(end, source.size_bytes) - from)
        .then(({ buffer }) => buffer)
      // The library does not wait for all that it asks for.
      read.catch((error: unknown) => {
        failed.reading = error
      })
      return read
    },
  }
  const parse = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (cause) {
      if (failed.reading !== undefined) throw failed.reading
      throw new FormatError(
        source.name,
        `${what} (${(cause as Error).message}). Copy it again, or name another file.`,
        { cause },
      )
    }
  }
  const metadata = await parse('is not a whole Parquet file', () => parquetMetadataAsync(file))
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name)
  if (!columns.includes(column))
    throw new FormatError(
      source.name,
      `has no column "${column}"; it has ${columns.join(', ')}. Name the one that holds the text (--text-column).`,
    )
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    const rows = await parse(`rows ${rowStart} to ${rowEnd} cannot be read`, () =>
      parquetReadObjects({ file, metadata, columns: [column], rowStart, rowEnd, compressors }),
    )
    for (const [i, row] of rows.entries()) {
      const value: unknown = row[column]
      if (value === null || value === undefined) continue
      if (typeof value !== 'string')
        throw new FormatError(
          source.name,
          `row ${rowStart + i} of the column "${column}" is no text. Columns are ${columns.join(', ')}; name another (--text-column).`,
        )
      yield value
    }
    rowStart = rowEnd
  }
}
