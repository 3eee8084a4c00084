/** Pieces of a vocabulary as bytes, and bytes as people read them. */

import { BYTE, SPACE } from './tokenizerSteps.ts'

const utf8 = new TextEncoder()

/** The bytes that a SentencePiece piece stands for: its text with the marks as spaces, or one byte written `<0xE2>`. */
export function sentencePieceBytes(piece: string): Uint8Array {
  const byte = BYTE.exec(piece)?.[1]
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16))
  return utf8.encode(piece.replaceAll(SPACE, ' '))
}

/** The bytes that a byte-level piece stands for: GPT-2 writes each as a character of its own. */
export function byteLevelBytes(piece: string): Uint8Array {
  // All letters of the alphabet are one UTF-16 unit long.
  const bytes = new Uint8Array(piece.length)
  for (let i = 0; i < piece.length; i++) {
    const byte = BYTE_OF[piece.charCodeAt(i)]
    if (byte === undefined) return utf8.encode(piece)
    bytes[i] = byte
  }
  return bytes
}

/**
 * GPT-2's alphabet, bytes by UTF-16 unit: printable bytes of Latin-1 stand for themselves, the other 68 for U+0100 on, in
 * order.
 */
const BYTE_OF: readonly (number | undefined)[] = (() => {
  const letters: (number | undefined)[] = new Array(0x144).fill(undefined)
  let unprintable = 0x100
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad)
    letters[printable ? byte : unprintable++] = byte
  }
  return letters
})()

/** Bytes as people read them: characters, and what is not a whole one as `<0xE2>`. */
export function showBytes(bytes: Uint8Array): string {
  const whole = wholeCharacters(bytes)
  if (whole !== undefined) return whole
  let shown = ''
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    const char = wholeCharacters(bytes.subarray(at, at + length))
    shown += char ?? `<0x${lead.toString(16).toUpperCase().padStart(2, '0')}>`
    at += char === undefined ? 1 : length
  }
  return shown
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function wholeCharacters(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}
