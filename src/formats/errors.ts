/** The one error class of this folder: bytes that are not what they should be. */

/** A message longer than this quotes the file instead of saying what is wrong with it. */
const MAX_CHARS = 1200

/**
 * Bytes do not follow their format. The message says where, what was found, what was expected, what to do. It may quote the
 * file, which may be hostile: it is cut where it is very long, and holds no character that would move or colour a terminal.
 */
export class FormatError extends Error {
  readonly path: string
  readonly offset_bytes: number | undefined

  constructor(
    path: string,
    message: string,
    options: { offset_bytes?: number; cause?: unknown } = {},
  ) {
    const at = options.offset_bytes === undefined ? '' : ` (at byte ${options.offset_bytes})`
    super(escapeControls(`${path}: ${cut(message)}${at}`), { cause: options.cause })
    this.name = 'FormatError'
    this.path = path
    this.offset_bytes = options.offset_bytes
  }
}

function cut(message: string): string {
  if (message.length <= MAX_CHARS) return message
  return `${message.slice(0, MAX_CHARS).toWellFormed()}\u2026`
}

/**
 * Control characters (line feeds stay), line separators and marks that turn the direction of writing, as `\u001b`.
 */
export function escapeControls(text: string): string {
  return text.replace(
    CONTROLS,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
