/** Where bytes come from: a file, a blob, a range of a remote file. Formats know only this. */

/** Random access to bytes of known length. */
export interface ByteSource {
  /** For messages: a path or URL. */
  readonly name: string
  readonly size_bytes: number
  /**
   * Reads exactly `length` bytes at `offset`.
   * @throws FormatError if the range runs past the end.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>
}

/** A folder of byte sources, as a model checkpoint or an SAE is. */
export interface Folder {
  readonly name: string
  /** `undefined` where the folder holds no such file. */
  open(path: string): Promise<ByteSource | undefined>
}
