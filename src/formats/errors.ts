/** The one error class of this folder: bytes that are not what they should be. */

/** Bytes do not follow their format. The message says where, what was found, what was expected, what to do. */
export class FormatError extends Error {
  readonly path: string
  readonly offset_bytes: number | undefined

  constructor(
    path: string,
    message: string,
    options: { offset_bytes?: number; cause?: unknown } = {},
  ) {
    const at = options.offset_bytes === undefined ? '' : ` (at byte ${options.offset_bytes})`
    super(`${path}: ${message}${at}`, { cause: options.cause })
    this.name = 'FormatError'
    this.path = path
    this.offset_bytes = options.offset_bytes
  }
}
