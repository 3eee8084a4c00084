/** What a reader may do with an input that is not what it should be. */

import { FormatError } from '../../src/formats/index.ts'
import type { Files, Target } from './target.ts'

/** How one input went. */
export type Outcome = {
  /** 'read', or the error's message without what belongs to this input alone. */
  readonly kind: string
  /** What is wrong with how it went; undefined where it was read or clearly refused. */
  readonly fault?: string
}

/** A message longer than this quotes the input instead of saying what is wrong with it. */
const MAX_MESSAGE = 1500
/** Control characters could move a terminal's cursor or colour it; line feeds stand in lists of problems. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/
const NOTHING = /\bundefined\b|expected NaN\b|\[object /

/** Reads one input and judges how it went. */
export async function tryInput(target: Target, files: Files): Promise<Outcome> {
  const before = inherited()
  let outcome: Outcome
  try {
    await target.read(files)
    outcome = { kind: 'read' }
  } catch (error) {
    outcome = judge(error, Object.keys(files), target)
  }
  const after = inherited()
  return before === after
    ? outcome
    : { ...outcome, fault: `changed what all objects inherit: ${after}` }
}

function judge(
  error: unknown,
  names: readonly string[],
  { also = [], says_undefined = false }: Pick<Target, 'also' | 'says_undefined'>,
): Outcome {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
  const path = error instanceof FormatError ? error.path : ''
  const kind = kindOf(message.slice(message.startsWith(path) ? path.length : 0))
  const isNamed = names.some((file) => message.includes(file))
  if (!(error instanceof FormatError) && !((also as readonly string[]).includes(name) && isNamed)) {
    return { kind, fault: `expected a FormatError, found ${stack ?? message}` }
  }
  if (!isNamed) return { kind, fault: `names no file: ${message}` }
  if (message.length > MAX_MESSAGE) {
    return { kind, fault: `has ${message.length} characters: ${message.slice(0, 300)}` }
  }
  if (CONTROL.test(message))
    return { kind, fault: `has control characters: ${JSON.stringify(message)}` }
  // Zod's way of saying that a field is missing.
  const own = message.replaceAll(QUOTED, '').replaceAll('received undefined', '')
  if (!says_undefined && NOTHING.test(own))
    return { kind, fault: `says undefined, NaN or object: ${message}` }
  return { kind }
}

const QUOTED = /"(?:[^"\\]|\\.)*["\u2026]/g

/** A message as its kind: names, numbers and lists left out. */
function kindOf(message: string): string {
  return message
    .split('\n')[0]!
    .replaceAll(QUOTED, '"\u2026"')
    .replaceAll(/\[[^\]]*\]?/g, '[\u2026]')
    .replaceAll(/\{.*\}/g, '{\u2026}')
    .replaceAll(/\b(BF16|[FIU](8|16|32|64)|BOOL)\b/g, 'T')
    .replaceAll(/-?\d+(\.\d+)?(e\+?\d+)?/g, 'N')
    .slice(0, 240)
}

/** What all objects, arrays and functions inherit: a reader that lets a name in there is broken. */
function inherited(): string {
  return [Object.prototype, Array.prototype, Function.prototype, Map.prototype]
    .map((prototype) => Reflect.ownKeys(prototype).map(String).join())
    .join(';')
}
