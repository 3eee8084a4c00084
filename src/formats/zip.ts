/**
 * ZIP archives, as NumPy's .npz and PyTorch's .pt files are: stored or deflated entries, ZIP64 where large.
 *
 * The directory and unpacking are @zip.js/zip.js's work; stored entries are read here, in one piece, because the library's many
 * small ones lie in memory beside the result until they are collected. This file joins it to byte sources and refuses what
 * two programs could read differently: names twice, overlapping entries, headers that disagree, bytes that belong to nothing,
 * sizes that deflate cannot reach.
 * Source: PKWARE's APPNOTE.TXT 6.3.10.
 */

import { type Entry, type FileEntry, Reader, Writer, ZipReader } from '@zip.js/zip.js'
import type { ByteSource } from './byteSource.ts'
import { crc32 } from './crc32.ts'
import { FormatError } from './errors.ts'
import { quote } from './json.ts'

/** Deflate cannot shrink bytes further than this; a larger claim is a damaged or hostile archive. */
const MAX_DEFLATE_RATIO = 1032
const STORED = 0
const DEFLATED = 8
const LOCAL_HEADER_BYTES = 30
const LOCAL_SIGNATURE = 0x04034b50
const SIZES_FOLLOW = 0x08
const UNSAID = 0xffffffff
/** A reader holds some 2 KB for each. */
const MAX_ENTRIES = 1 << 16
const COPY_AGAIN = 'The archive is damaged: copy or download it again.'

/** A file in an archive. */
export type ZipEntry = {
  /** As the archive spells it: relative, without `..`. */
  readonly name: string
  /** For messages: the archive's name, then the entry's. */
  readonly path: string
  /** Unpacked, as the archive says. */
  readonly size_bytes: number
  /**
   * Unpacks the whole entry.
   * @throws FormatError if its local header says something else, it overlaps an entry read before, it unpacks to another
   *   size, or its checksum is wrong.
   */
  read(): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Where the entry's bytes begin in the archive; undefined where it is deflated. Whoever reads them there checks no checksum.
   * @throws FormatError if there is no local header where the directory says.
   */
  start(): Promise<number | undefined>
}

/**
 * Reads an archive's directory.
 * @param strictness 'balanced' for PyTorch's archives, which end in a ZIP64 record that nothing points to.
 * @returns its entries in the directory's order, no name twice.
 * @throws FormatError if it is not a whole ZIP archive and nothing else, or an entry is a folder, encrypted, packed other than
 *   by deflate, of an impossible size, or named so that it would lie outside the archive.
 */
export async function openZip(
  source: ByteSource,
  strictness: 'strict' | 'balanced' = 'strict',
): Promise<ZipEntry[]> {
  const zip = new ZipReader(new SourceReader(source), {
    strictness,
    checkOverlappingEntry: true,
    checkCrc32: true,
    useWebWorkers: false,
  })
  const names = new Set<string>()
  const entries = await directoryOf(zip, source.name)
  const nextAfter = nextOffsets(entries)
  return entries.map((entry) => {
    const path = `${source.name}/${quoteName(entry.filename)}`
    checkEntry(entry, path, source.size_bytes)
    if (names.has(entry.filename))
      throw new FormatError(path, 'is twice in the archive. Make it again.')
    names.add(entry.filename)
    const place = () => locate(entry, source, path, nextAfter.get(entry) ?? source.size_bytes)
    return {
      name: entry.filename,
      path,
      size_bytes: entry.uncompressedSize,
      async read() {
        const start = await place()
        return entry.compressionMethod === STORED
          ? readStored(entry, source, start, path)
          : readEntry(entry, path)
      },
      async start() {
        return entry.compressionMethod === STORED ? place() : undefined
      },
    }
  })
}

async function directoryOf(zip: ZipReader<unknown>, path: string): Promise<Entry[]> {
  const entries: Entry[] = []
  try {
    for await (const entry of zip.getEntriesGenerator()) {
      if (entries.push(entry) <= MAX_ENTRIES) continue
      throw new FormatError(
        path,
        `has more than ${MAX_ENTRIES} files. Is it an archive of tensors?`,
      )
    }
    return entries
  } catch (cause) {
    if (cause instanceof FormatError) throw cause
    throw new FormatError(
      path,
      `is not a whole ZIP archive that every program reads alike: ${reasonOf(cause)}. Copy or download it again.`,
      { cause },
    )
  }
}

function checkEntry(entry: Entry, path: string, archive_bytes: number): asserts entry is FileEntry {
  const { uncompressedSize, compressedSize, compressionMethod, encrypted, offset } = entry
  const fail = (message: string) => new FormatError(path, message, { offset_bytes: offset })
  if (entry.directory) throw fail('is a folder, expected files only. Make the archive again.')
  if (encrypted) throw fail('is encrypted. Save the archive without a password.')
  if (compressionMethod !== STORED && compressionMethod !== DEFLATED) {
    throw fail(
      `is packed by method ${quote(compressionMethod)}, expected ${STORED} (stored) or ${DEFLATED} (deflated). Pack it again.`,
    )
  }
  const most = compressionMethod === STORED ? compressedSize : MAX_DEFLATE_RATIO * compressedSize
  if (compressedSize > archive_bytes || uncompressedSize > most) {
    throw fail(
      `says it has ${compressedSize} bytes that unpack to ${uncompressedSize}, in an archive of ${archive_bytes}; expected at most ${most}. It is damaged.`,
    )
  }
}

async function readEntry(entry: FileEntry, path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await entry.getData(new ArrayWriter(entry.uncompressedSize))
  } catch (cause) {
    if (cause instanceof FormatError) throw cause
    throw new FormatError(path, `could not be unpacked: ${reasonOf(cause)}. ${COPY_AGAIN}`, {
      offset_bytes: entry.offset,
      cause,
    })
  }
}

/** For each entry where the next one in the archive begins; its own place where another begins there too. */
function nextOffsets(entries: readonly Entry[]): Map<Entry, number> {
  const inOrder = entries.toSorted((a, b) => a.offset - b.offset)
  return new Map(inOrder.slice(1).map(({ offset }, i) => [inOrder[i]!, offset]))
}

/**
 * Where an entry's bytes begin, behind its local header: 30 bytes and a name and extra fields, whose lengths lie at 26 and 28.
 * It must say what the directory says. Sizes and checksum are left out there (0, bit 3 of the flags) where they follow the
 * data, or say 2^32 - 1 in ZIP64.
 * @param limit where the entry must have ended.
 */
async function locate(
  entry: FileEntry,
  source: ByteSource,
  path: string,
  limit: number,
): Promise<number> {
  const { offset: start, compressedSize, uncompressedSize, rawFilename, signature } = entry
  const fail = (message: string) =>
    new FormatError(path, `${message} ${COPY_AGAIN}`, { offset_bytes: start })
  const head = await source.read(start, LOCAL_HEADER_BYTES + rawFilename.length)
  const header = new DataView(head.buffer, head.byteOffset)
  const [name_bytes, extra_bytes] = [header.getUint16(26, true), header.getUint16(28, true)]
  const data = start + LOCAL_HEADER_BYTES + name_bytes + extra_bytes
  const end = data + compressedSize
  if (header.getUint32(0, true) !== LOCAL_SIGNATURE || end > source.size_bytes) {
    throw fail('has no local header, or too few bytes behind it.')
  }
  const name = head.subarray(LOCAL_HEADER_BYTES)
  const says = (at: number, expected: number) =>
    [expected, UNSAID].includes(header.getUint32(at, true))
  const isComplete = (header.getUint16(6, true) & SIZES_FOLLOW) === 0
  if (
    name_bytes !== rawFilename.length ||
    rawFilename.some((byte, i) => byte !== name[i]) ||
    header.getUint16(8, true) !== entry.compressionMethod ||
    (isComplete &&
      !(says(14, signature ?? 0) && says(18, compressedSize) && says(22, uncompressedSize)))
  ) {
    throw fail('has a local header that says something else than the directory.')
  }
  if (end > limit) throw fail(`overlaps the entry that begins at byte ${limit}.`)
  return data
}

async function readStored(
  entry: FileEntry,
  source: ByteSource,
  data: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const { compressedSize, uncompressedSize, signature } = entry
  const fail = (message: string) =>
    new FormatError(path, `could not be unpacked: ${message}. ${COPY_AGAIN}`, {
      offset_bytes: data,
    })
  if (compressedSize !== uncompressedSize) throw fail('it is stored in another size')
  const bytes = await source.read(data, compressedSize)
  if (crc32(bytes) !== (signature ?? 0) >>> 0) throw fail('its checksum is wrong')
  return bytes
}

/** The library's message, with the detail that it keeps beside it. */
function reasonOf(cause: unknown): string {
  const { message, reason, filename } = cause as Error & { reason?: string; filename?: string }
  const text = reason === undefined ? message : `${message}, ${reason}`
  return filename === undefined ? text : `${text} ${quote(filename)}`
}

/** A name fit for a message: as it is where it is plain, else quoted and shortened. */
function quoteName(name: string): string {
  return /^[\w./ -]{1,200}$/.test(name) ? name : quote(name)
}

class SourceReader extends Reader<ByteSource> {
  readonly #source: ByteSource

  constructor(source: ByteSource) {
    super(source)
    this.#source = source
    this.size = source.size_bytes
  }

  /** Past the end there is nothing, which the library knows how to report. */
  override async readUint8Array(offset: number, length: number): Promise<Uint8Array> {
    const rest = Math.min(length, this.size - offset)
    return rest > 0 ? this.#source.read(offset, rest) : new Uint8Array(0)
  }
}

/** Gathers an entry in one array of its announced size, and stops what grows beyond it. */
class ArrayWriter extends Writer<Uint8Array<ArrayBuffer>> {
  readonly #bytes: Uint8Array<ArrayBuffer>
  #length = 0

  constructor(length: number) {
    super()
    this.#bytes = new Uint8Array(length)
  }

  override async writeUint8Array(piece: Uint8Array): Promise<void> {
    if (this.#length + piece.length > this.#bytes.length) {
      throw new Error(`it grows beyond the ${this.#bytes.length} bytes that its header says`)
    }
    this.#bytes.set(piece, this.#length)
    this.#length += piece.length
  }

  override async getData(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#bytes.subarray(0, this.#length)
  }
}
