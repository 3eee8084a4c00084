/** NumPy's .npz: a ZIP archive of .npy arrays. Reading archives is zip.ts; writing them is @zip.js/zip.js's work. */

import { Reader, Writer, ZipWriter } from '@zip.js/zip.js'
import type { ByteSource } from './byteSource.ts'
import { DTYPE_BYTES, elementCount } from './dtypes.ts'
import { FormatError } from './errors.ts'
import { quote } from './json.ts'
import { MAX_HEADER_BYTES, parseNpy, parseNpyHeader, renderNpyHeader } from './npy.ts'
import type { Tensor } from './tensor.ts'
import type { TensorFile, TensorPlace } from './tensorFile.ts'
import { openZip, type ZipEntry } from './zip.ts'

const EXTENSION = '.npy'
/** The ZIP format's earliest date: equal arrays give equal bytes whenever they are written. */
const NO_DATE = new Date(1980, 0, 1)

/**
 * Reads all arrays of an .npz archive and checks their checksums.
 * @returns tensors by name, without `.npy`.
 * @throws FormatError as `openZip` and `parseNpy`, and if an entry is not an .npy array.
 */
export async function readNpz(source: ByteSource): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>()
  for (const entry of await openZip(source)) {
    tensors.set(arrayName(entry), parseNpy(entry.path, await entry.read()))
  }
  return tensors
}

/**
 * Opens an .npz archive to read its arrays one by one. Of stored arrays in C order only the headers are read now, and their
 * place in the archive is told; others have none.
 * @throws FormatError as `readNpz`, and if an array's header does not fit its entry's size.
 */
export async function openNpz(source: ByteSource): Promise<TensorFile> {
  const entries = new Map<string, ZipEntry>()
  const tensors = new Map<string, TensorPlace>()
  for (const entry of await openZip(source)) {
    const name = arrayName(entry)
    entries.set(name, entry)
    tensors.set(name, await placeOf(entry, source))
  }
  return {
    name: source.name,
    tensors,
    async read(name) {
      const entry = entries.get(name)
      if (entry === undefined) {
        throw new FormatError(
          source.name,
          `has no array ${quote(name)}; it has ${quote([...entries.keys()])}.`,
        )
      }
      return parseNpy(entry.path, await entry.read())
    },
  }
}

async function placeOf(entry: ZipEntry, source: ByteSource): Promise<TensorPlace> {
  const start = await entry.start()
  if (start === undefined) {
    const { dtype, shape } = parseNpy(entry.path, await entry.read())
    return { dtype, shape }
  }
  const head = await source.read(start, Math.min(entry.size_bytes, MAX_HEADER_BYTES))
  const { dtype, shape, fortran_order, data_start } = parseNpyHeader(entry.path, head)
  const expected = data_start + elementCount(shape) * DTYPE_BYTES[dtype]
  if (entry.size_bytes !== expected) {
    throw new FormatError(
      entry.path,
      `has ${entry.size_bytes} bytes, expected ${expected} for ${dtype} of shape ${quote(shape)}. It is cut short or damaged: copy it again.`,
    )
  }
  return { dtype, shape, ...(fortran_order ? {} : { offset: start + data_start }) }
}

function arrayName(entry: ZipEntry): string {
  if (entry.name.endsWith(EXTENSION)) return entry.name.slice(0, -EXTENSION.length)
  throw new FormatError(
    entry.path,
    'is not an .npy array, as all entries of an .npz archive are. Make it with numpy.savez.',
  )
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
    await zip.add(`${name}${EXTENSION}`, new TensorReader(tensor))
    yield* pieces.splice(0)
  }
  await zip.close()
  yield* pieces.splice(0)
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
