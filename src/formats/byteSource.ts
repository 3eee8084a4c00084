/** Where bytes come from: a file, a blob, a range of a remote file. Formats know only this. */

/** Random access to bytes of known length. */
export interface ByteSource {
  /** For messages: a path or URL. */
  readonly name: string
  readonly size_bytes: number
  /**
   * Reads exactly `length` bytes at `offset`, into memory that is the caller's from then on.
   * @throws FormatError if the range runs past the end.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>
  /**
   * SHA-256 of its pieces of `piece_bytes`, the last one shorter, one after another: [n_pieces, 32]. Only sources have it that find
   * it in less memory than by reading a piece, or know it already.
   */
  digests?(piece_bytes: number): Promise<Uint8Array>
}

/** A folder of byte sources, as a model checkpoint or an SAE is. */
export interface Folder {
  readonly name: string
  /** `undefined` where the folder holds no such file. */
  open(path: string): Promise<ByteSource | undefined>
}
