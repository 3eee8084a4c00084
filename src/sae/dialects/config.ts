/** The JSON file beside an SAE's weights, as far as all dialects treat it alike. */

import { FormatError, quote } from '../../formats/index.ts'
import type { SaeFiles } from './published.ts'

export type Config = Readonly<Record<string, unknown>>

/**
 * The configuration as an object.
 * @param name the file's usual name, for messages.
 * @throws FormatError if there is none, or it is no object.
 */
export function record(
  { where, config }: SaeFiles,
  name: string,
  what: string,
): { readonly path: string; readonly value: Config } {
  if (config === undefined) {
    throw new FormatError(where, `has no ${name} beside its weights, as ${what} has. Copy it too.`)
  }
  const { path, value } = config
  if (isRecord(value)) return { path, value }
  throw new FormatError(path, 'is not a JSON object.')
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The first field that is not in the list. */
export function unknownField(value: Config, known: readonly string[]): string | undefined {
  return Object.keys(value).find((field) => !known.includes(field))
}

/** @throws FormatError if the field is no whole number above 0. */
export function countField(path: string, value: Config, field: string): number {
  const count = value[field]
  if (Number.isSafeInteger(count) && (count as number) > 0) return count as number
  throw new FormatError(path, `has ${field} ${quote(count)}, expected a whole number above 0.`)
}

/** @throws FormatError if the field is neither true nor false, nor absent. */
export function flagField(path: string, value: Config, field: string, absent: boolean): boolean {
  const flag = value[field] ?? absent
  if (typeof flag === 'boolean') return flag
  throw new FormatError(path, `has ${field} ${quote(flag)}, expected true or false.`)
}
