/** JSON from strangers: what JSON.parse does not tell (a key twice, nesting without end), and values fit for messages. */

import { escapeControls } from './errors.ts'

/** A message quotes no more of a value than this many characters. */
const MAX_QUOTED = 120
const QUOTED_DEPTH = 3
const QUOTED_ITEMS = 8

/**
 * Bytes as JSON that does not nest without end. Of a key that an object names twice the last counts, as everywhere.
 * @param max_depth objects and arrays inside each other; 1 for a flat object.
 * @throws SyntaxError if they are not JSON in UTF-8 or nest deeper; its message goes on from the name of what was read.
 */
export function parseJson(bytes: Uint8Array, max_depth: number): unknown {
  // First, because a parser builds what it reads, and whoever goes through a very deep value runs out of stack.
  if (nestsDeeper(bytes, max_depth)) throw new SyntaxError(`nests deeper than ${max_depth} levels`)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new SyntaxError('is not JSON in UTF-8', { cause })
  }
}

/**
 * A value as messages show it: like JSON on one line, cut where it is long or deep, control characters and marks that
 * turn the direction of writing escaped; `none` where there is none.
 */
export function quote(value: unknown): string {
  const text = quoted(value, QUOTED_DEPTH)
  return typeof value === 'string' || text.length <= MAX_QUOTED ? text : cut(text)
}

function quoted(value: unknown, depth: number): string {
  if (typeof value === 'string') {
    const text = escapeControls(JSON.stringify(value.slice(0, MAX_QUOTED).toWellFormed()))
    return text.length > MAX_QUOTED ? `${cut(text)}"` : text
  }
  if (value === undefined) return 'none'
  if (typeof value !== 'object' || value === null) return String(value)
  if (depth === 0) return Array.isArray(value) ? '[\u2026]' : '{\u2026}'
  const all: unknown[] = Array.isArray(value) ? value : Object.entries(value)
  const shown = all.slice(0, QUOTED_ITEMS).map((item) => {
    if (Array.isArray(value)) return quoted(item, depth - 1)
    const [key, field] = item as [string, unknown]
    return `${quoted(key, 0)}: ${quoted(field, depth - 1)}`
  })
  const list = all.length > QUOTED_ITEMS ? [...shown, `\u2026 (${all.length} in all)`] : shown
  return Array.isArray(value) ? `[${list.join(', ')}]` : `{${list.join(', ')}}`
}

/** The beginning, without half an escape or half a character at its end. */
function cut(text: string): string {
  return `${text
    .slice(0, MAX_QUOTED)
    .replace(/\\[^\\]{0,5}$/, '')
    .toWellFormed()}\u2026`
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Whether brackets outside strings nest deeper; any bytes will do. */
function nestsDeeper(bytes: Uint8Array, max_depth: number): boolean {
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > max_depth) return true
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return false
}

/**
 * The first key that an object of the text holds twice, at any depth.
 * @param text valid JSON; this function does not check it.
 */
export function findDuplicateKey(text: string): string | undefined {
  // One set of keys an open object, `undefined` for an open array.
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        open.push(new Set())
        break
      case '[':
        open.push(undefined)
        break
      case '}':
      case ']':
        open.pop()
        break
      case '"': {
        const end = endOfString(text, at)
        const keys = open.at(-1)
        if (keys !== undefined && isKey(text, end)) {
          const key = JSON.parse(text.slice(at, end)) as string
          if (keys.has(key)) return key
          keys.add(key)
        }
        at = end - 1
      }
    }
  }
  return undefined
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Whether a colon follows. */
function isKey(text: string, end: number): boolean {
  let at = end
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++
  return text[at] === ':'
}
