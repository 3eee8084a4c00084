/** What the bench found, as one table with the ratios asked beside it, or as JSON. */
import { loadavg } from 'node:os'
import type { Time } from './contestant.ts'

/** A ratio with what it should be: at least or at most. */
type Asked = { readonly at_least: number } | { readonly at_most: number }

export type Row = {
  readonly part: string
  readonly what: string
  /** A figure in words, such as `213 tokens/s`. */
  readonly value: string
  /** One a round where it was measured in turns; the table shows the median and the range. */
  readonly ratios?: readonly number[]
  /** The same by CPU time, which other programs on the machine disturb less. */
  readonly cpu_ratios?: readonly number[]
  readonly asked?: Asked
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Medians of both times. */
function medianTime(times: readonly Time[]): Time {
  return { ms: median(times.map(({ ms }) => ms)), cpu_ms: median(times.map((t) => t.cpu_ms)) }
}

/** `a / b` by wall and CPU time. */
export function ratiosOf(
  a: readonly Time[],
  b: readonly Time[],
): { ratios: number[]; cpu_ratios: number[] } {
  return {
    ratios: a.map(({ ms }, i) => ms / b[i]!.ms),
    cpu_ratios: a.map(({ cpu_ms }, i) => cpu_ms / b[i]!.cpu_ms),
  }
}

export const tokensPerSecond = (n_tokens: number, times: readonly Time[]): string =>
  `${((1000 * n_tokens) / medianTime(times).ms).toPrecision(3)} tokens/s`

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`

export function printTable(rows: readonly Row[]): void {
  for (const row of rows) {
    const ratio = row.ratios === undefined ? '' : `${range(row.ratios)}${byCpu(row)}`
    console.log(
      [row.part.padEnd(10), row.what.padEnd(68), row.value.padEnd(22), ratio, verdict(row)]
        .join(' ')
        .trimEnd(),
    )
  }
}

export const renderJson = (about: object, rows: readonly Row[]): string =>
  JSON.stringify(
    { ...about, rows: rows.map((row) => ({ ...row, ...(row.asked && { holds: holds(row) }) })) },
    null,
    2,
  )

export function warnIfBusy(): void {
  const load = loadavg()[0]!
  if (load > 0.5)
    console.error(`load average ${load.toFixed(1)}: others are at work here; take times with care`)
}

function range(ratios: readonly number[]): string {
  const text = number(median(ratios))
  if (ratios.length === 1) return text
  return `${text} (${number(Math.min(...ratios))} to ${number(Math.max(...ratios))})`
}

/** Three digits, and small ones as powers of ten. */
function number(value: number): string {
  if (value === 0) return '0'
  return Math.abs(value) < 0.01 ? value.toExponential(1) : value.toFixed(3)
}

function byCpu({ cpu_ratios }: Row): string {
  return cpu_ratios === undefined ? '' : `, by CPU time ${number(median(cpu_ratios))}`
}

function holds({ ratios, asked }: Row): boolean {
  const ratio = median(ratios!)
  return 'at_least' in asked! ? ratio >= asked.at_least : ratio <= asked!.at_most
}

function verdict(row: Row): string {
  const { asked } = row
  if (asked === undefined) return ''
  const words = 'at_least' in asked ? `at least ${asked.at_least}` : `at most ${asked.at_most}`
  return `[asked: ${words}: ${holds(row) ? 'yes' : 'NO'}]`
}
