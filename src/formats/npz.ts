/**
 * NumPy's .npz: a ZIP archive of .npy arrays, stored or deflated, ZIP64 where large.
 * The archive is @zip.js/zip.js's work; this file joins it to byte sources and arrays.
 */

import { type Entry, type FileEntry, Reader, Writer, ZipReader, ZipWriter } from '@zip.js/zip.js'
import type { ByteSource } from './byteSource.ts'
import { FormatError } from './errors.ts'
import { parseNpy, renderNpyHeader } from './npy.ts'
import type { Tensor } from './tensor.ts'

/** Deflate cannot shrink bytes further than this; a larger claim is a damaged or hostile archive. */
const MAX_DEFLATE_RATIO = 1032
/** The ZIP format's earliest date: equal arrays give equal bytes whenever they are written. */
const NO_DATE = new Date(1980, 0, 1)

/**
 * Reads all arrays of an .npz archive and checks their checksums.
 * @returns tensors by name, without `.npy`.
 * @throws FormatError if it is not a ZIP archive, an entry is not an .npy array, encrypted or twice there, or a checksum is wrong.
 */
export async function readNpz(source: ByteSource): Promise<Map<string, Tensor>> {
  const zip = new ZipReader(new SourceReader(source), { useWebWorkers: false })
  const tensors = new Map<string, Tensor>()
  for (const entry of await entriesOf(zip, source.name)) {
    const where = `${source.name}/${entry.filename}`
    const name = entry.filename.replace(/\.npy$/, '')
    if (entry.directory || name === entry.filename) {
      throw new FormatError(where, 'is not an .npy array, as all entries of an .npz archive are.')
    }
    if (tensors.has(name)) throw new FormatError(where, 'is twice in the archive. Make it again.')
    tensors.set(name, parseNpy(where, await readEntry(entry, where, source.size_bytes)))
  }
  await zip.close()
  return tensors
}

/**
 * Writes an .npz archive: entries stored in the order given, C order, no dates, so equal tensors give equal bytes.
 * @returns the archive's bytes in pieces, for `writeFileAtomic`.
 * @throws TypeError for BF16, which NumPy does not have.
 */
export async function* writeNpz(
  tensors: Iterable<readonly [string, Tensor]>,
): AsyncGenerator<Uint8Array> {
  const pieces: Uint8Array[] = []
  const zip = new ZipWriter(new PieceWriter(pieces), {
    level: 0,
    useWebWorkers: false,
    // Writes sizes and checksum before the data, where every reader finds them.
    bufferedWrite: true,
    extendedTimestamp: false,
    lastModDate: NO_DATE,
  })
  for (const [name, tensor] of tensors) {
    await zip.add(`${name}.npy`, new TensorReader(tensor))
    yield* pieces.splice(0)
  }
  await zip.close()
  yield* pieces.splice(0)
}

async function entriesOf(zip: ZipReader<unknown>, path: string): Promise<Entry[]> {
  try {
    return await zip.getEntries()
  } catch (cause) {
    if (cause instanceof FormatError) throw cause
    throw new FormatError(
      path,
      `is not a whole ZIP archive, as .npz files are: ${(cause as Error).message}. Copy or download it again.`,
      { cause },
    )
  }
}

async function readEntry(
  entry: FileEntry,
  where: string,
  archive_bytes: number,
): Promise<Uint8Array> {
  const { uncompressedSize, compressedSize, encrypted } = entry
  if (encrypted) throw new FormatError(where, 'is encrypted. Save the archive without a password.')
  if (
    compressedSize > archive_bytes ||
    uncompressedSize > MAX_DEFLATE_RATIO * (compressedSize + 1)
  ) {
    throw new FormatError(
      where,
      `says it has ${compressedSize} bytes that grow to ${uncompressedSize}, in an archive of ${archive_bytes}. It is damaged.`,
      { offset_bytes: entry.offset },
    )
  }
  try {
    return await entry.getData(new ArrayWriter(uncompressedSize), {
      useWebWorkers: false,
      checkSignature: true,
    })
  } catch (cause) {
    if (cause instanceof FormatError) throw cause
    throw new FormatError(
      where,
      `could not be unpacked: ${(cause as Error).message}. The archive is damaged: copy or download it again.`,
      { offset_bytes: entry.offset, cause },
    )
  }
}

class SourceReader extends Reader<ByteSource> {
  readonly #source: ByteSource

  constructor(source: ByteSource) {
    super(source)
    this.#source = source
    this.size = source.size_bytes
  }

  override readUint8Array(offset: number, length: number): Promise<Uint8Array> {
    return this.#source.read(offset, Math.min(length, this.size - offset))
  }
}

/** Gathers an entry in one array of its announced size. */
class ArrayWriter extends Writer<Uint8Array> {
  readonly #bytes: Uint8Array
  #length = 0

  constructor(length: number) {
    super()
    this.#bytes = new Uint8Array(length)
  }

  override async writeUint8Array(piece: Uint8Array): Promise<void> {
    this.#bytes.set(piece, this.#length)
    this.#length += piece.length
  }

  override async getData(): Promise<Uint8Array> {
    return this.#bytes.subarray(0, this.#length)
  }
}

/** Hands the archive's pieces to whoever empties the list. */
class PieceWriter extends Writer<void> {
  readonly #pieces: Uint8Array[]

  constructor(pieces: Uint8Array[]) {
    super()
    this.#pieces = pieces
  }

  override async writeUint8Array(piece: Uint8Array): Promise<void> {
    this.#pieces.push(piece.slice())
  }

  override async getData(): Promise<void> {}
}

/** A tensor's .npy array: its header, then its bytes. */
class TensorReader extends Reader<Tensor> {
  readonly #header: Uint8Array
  readonly #bytes: Uint8Array

  constructor(tensor: Tensor) {
    super(tensor)
    this.#header = renderNpyHeader(tensor)
    this.#bytes = tensor.bytes
    this.size = this.#header.length + tensor.bytes.length
  }

  override async readUint8Array(offset: number, length: number): Promise<Uint8Array> {
    const start = this.#header.length
    if (offset >= start) return this.#bytes.slice(offset - start, offset - start + length)
    const head = this.#header.subarray(offset, offset + length)
    const tail = this.#bytes.subarray(0, length - head.length)
    const whole = new Uint8Array(head.length + tail.length)
    whole.set(head)
    whole.set(tail, head.length)
    return whole
  }
}
