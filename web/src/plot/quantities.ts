/** What is measured while training, and how each of it is drawn. */
import type { RunPoint } from '../../../src/api/index.ts'
import { count, fixed, percent, short } from '../format/numbers.ts'
import type { TermName } from '../parts/Term.tsx'
import { type Quantity, quantityNames } from './quantityNames.ts'

/** How a quantity is named, scaled and written. */
export type QuantityLook = {
  readonly name: string
  readonly term: TermName
  readonly scale: 'linear' | 'log'
  readonly format: (value: number | undefined) => string
  /** A linear axis reaches at least here, so that noise near zero does not fill it. */
  readonly least_max?: number
  /** The same for every SAE of a suite: drawn once. */
  readonly ofSuite?: boolean
}

export const quantities: Readonly<Record<Quantity, QuantityLook>> = {
  fvu: { name: 'FVU', term: 'fvu', scale: 'log', format: (v) => fixed(v, 3) },
  l0: { name: 'L0', term: 'l0', scale: 'log', format: short },
  mse: { name: 'reconstruction loss', term: 'mse', scale: 'log', format: short },
  sparsity_loss: {
    name: 'sparsity loss',
    term: 'sparsity_loss',
    scale: 'log',
    format: short,
  },
  aux_loss: { name: 'auxiliary loss', term: 'aux_loss', scale: 'log', format: short },
  lambda: { name: 'λ', term: 'lambda', scale: 'log', format: short },
  dead: { name: 'dead', term: 'dead_training', scale: 'linear', format: percent, least_max: 0.01 },
  tokens_per_s: {
    name: 'tokens/s',
    term: 'tokens_per_s',
    scale: 'linear',
    format: count,
    ofSuite: true,
  },
}

/**
 * Quantities that say something of these points: no loss that is zero throughout, no λ that stands still in the second half
 * of the run, where its warm-up is long over.
 */
export function telling(points: readonly RunPoint[]): Quantity[] {
  const some = (of: 'sparsity_loss' | 'aux_loss') => points.some((p) => (p[of] ?? 0) > 0)
  return quantityNames.filter((of) => {
    if (of === 'sparsity_loss' || of === 'aux_loss') return some(of)
    return of !== 'lambda' || lambdaMoves(points)
  })
}

function lambdaMoves(points: readonly RunPoint[]): boolean {
  const late = points.filter((p) => p.lambda !== undefined && p.step > p.n_steps / 2)
  for (const list of Map.groupBy(late, (p) => p.sae).values()) {
    const values = list.map((p) => p.lambda ?? 0)
    if (Math.max(...values) > 1.01 * Math.min(...values)) return true
  }
  return false
}
