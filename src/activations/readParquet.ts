/** One column of a Parquet file, row group by row group; only the bytes of that column are read. */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import {
  type AsyncBuffer,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet'
import { type ByteSource, FormatError } from '../formats/index.ts'

/** Snappy is built in. */
const compressors = {
  GZIP: (bytes: Uint8Array) => gunzipSync(bytes),
  ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliDecompressSync(bytes),
}

/**
 * The texts of a column; rows without a value are skipped.
 * @throws FormatError if it is not Parquet or damaged, if it has no such column, or a value is no text; what reading throws.
 */
export async function* readParquet(source: ByteSource, column: string): AsyncGenerator<string> {
  const failed: { reading?: unknown } = {}
  const file: AsyncBuffer = {
    byteLength: source.size_bytes,
    async slice(start, end = source.size_bytes) {
      const from = start < 0 ? Math.max(0, source.size_bytes + start) : start
      try {
        return (await source.read(from, Math.min(end, source.size_bytes) - from)).buffer
      } catch (error) {
        failed.reading = error
        throw error
      }
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
