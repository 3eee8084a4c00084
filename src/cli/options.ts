/** Readers of option values, shared by the commands. */
import { InvalidArgumentError } from 'commander'

/** What every command gets besides its options. */
export type Context = {
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** A whole number in [min, max]. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text.replaceAll('_', ''))
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}.`)
    return value
  }
}

/** A number in [min, max]. */
export function realNumber(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= min && value <= max))
      throw new InvalidArgumentError(`expected a number from ${min} to ${max}.`)
    return value
  }
}

/** `2,7,9` */
export function idList(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim())
  if (!parts.every((part) => /^\d+$/.test(part)))
    throw new InvalidArgumentError('expected token ids separated by commas, e.g. 2,7,9.')
  return parts.map(Number)
}

/** Splits comma-joined globs of a variadic option; commas in braces belong to their glob (`blocks.{0,3}.*`). */
export const globList = (text: string, previous: string[] = []): string[] => {
  const globs = text.split(/,(?![^{]*\})/).filter((glob) => glob.trim() !== '')
  if (globs.length === 0) throw new InvalidArgumentError('expected at least one name.')
  return [...previous, ...globs]
}

/** One or several whole numbers: `--width 2048 4096` or `--width 2048,4096`. */
export const numberList = (text: string, previous: number[] = []): number[] => [
  ...previous,
  ...text.split(',').map(wholeNumber(1)),
]

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
}

/** What `--data` takes. */
export const DATA =
  'text: .txt, .jsonl, .json, .parquet (also .gz, .zst), or a data set on the Hub: owner/name[@revision][/path][:split]'

/** What `--text-column` is. */
export const TEXT_COLUMN = 'field or column that holds the text (default: text)'

/** A number of bytes with its unit: `4GiB`, `500MB`. */
export function byteSize(text: string): number {
  const [, number = '', unit = ''] = /^\s*([\d.]+)\s*([A-Za-z]+)\s*$/.exec(text) ?? []
  const bytes = Math.floor(Number(number) * (UNITS[unit.toUpperCase()] ?? Number.NaN))
  if (bytes > 0) return bytes
  throw new InvalidArgumentError('expected a size with its unit, e.g. 4GiB or 500MB.')
}

/** One of several words. */
export function oneOf<T extends string>(words: readonly T[]) {
  return (text: string): T => {
    const found = words.find((word) => word === text)
    if (found !== undefined) return found
    throw new InvalidArgumentError(`expected ${words.slice(0, -1).join(', ')} or ${words.at(-1)}.`)
  }
}
