/** Words and numbers as plots say them. */

import type { PlottedSae } from './types.ts'

/** `Measured on 20,000 tokens.` */
export function measuredOn(saes: readonly PlottedSae[]): string {
  const counts = [...new Set(saes.map(({ metrics }) => metrics.n_tokens))].sort((a, b) => a - b)
  const [fewest, most] = [counts[0]!, counts.at(-1)!]
  const n = fewest === most ? count(most) : `${count(fewest)} to ${count(most)}`
  return `Measured on ${n} held-out tokens.`
}

/** `20,000` */
export const count = (n: number): string => n.toLocaleString('en')

/** `0.125` as `12.5 %`, with two significant digits below 1 %. */
export function percent(share: number): string {
  const value = 100 * share
  return `${Number(value.toPrecision(value < 1 ? 2 : 3))} %`
}
