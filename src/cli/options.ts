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
