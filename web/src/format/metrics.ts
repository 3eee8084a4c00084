/** Metrics of a dictionary as columns: in which order, how they are named and written, and which way is better. */
import type { Metrics } from '../../../src/api/index.ts'
import { fixed, percent } from './numbers.ts'

/** A metric that has a column. */
type Metric = keyof Pick<
  Metrics,
  | 'l0'
  | 'fvu'
  | 'delta_ce_loss'
  | 'ce_loss_recovered'
  | 'dead'
  | 'kl'
  | 'l2_ratio'
  | 'relative_reconstruction_bias'
  | 'uniformity'
>

export type MetricColumn = {
  readonly of: Metric
  readonly name: string
  readonly format: (value: number | undefined) => string
  /** Absent where neither is better by itself. */
  readonly better?: 'less' | 'more'
}

const decimals = (n: number) => (value: number | undefined) => fixed(value, n)

/** The few that tell how good a dictionary is. */
export const mainMetrics: readonly MetricColumn[] = [
  { of: 'l0', name: 'L0', format: decimals(1) },
  { of: 'fvu', name: 'FVU', format: decimals(3), better: 'less' },
  { of: 'delta_ce_loss', name: 'delta loss', format: decimals(3), better: 'less' },
  { of: 'ce_loss_recovered', name: 'recovered', format: decimals(3), better: 'more' },
  { of: 'dead', name: 'dead', format: percent, better: 'less' },
]

/** The rest, on demand. */
export const moreMetrics: readonly MetricColumn[] = [
  { of: 'kl', name: 'KL', format: decimals(3), better: 'less' },
  { of: 'l2_ratio', name: 'L2 ratio', format: decimals(3) },
  { of: 'relative_reconstruction_bias', name: 'bias', format: decimals(3) },
  { of: 'uniformity', name: 'r_L0', format: decimals(3), better: 'more' },
]

/** Of some columns those that at least one dictionary has a value for; the usual ones stand always. */
export function measured(
  columns: readonly MetricColumn[],
  saes: Iterable<{ readonly metrics?: Metrics | undefined }>,
): MetricColumn[] {
  const list = [...saes]
  const always = new Set<Metric>(['l0', 'fvu', 'delta_ce_loss', 'dead'])
  return columns.filter(
    ({ of }) => always.has(of) || list.some(({ metrics }) => metrics?.[of] !== undefined),
  )
}
