/** Names of what is measured while training, as they stand in points and in the URL. */
import type { RunPoint } from '../../../src/api/index.ts'

export const quantityNames = [
  'fvu',
  'l0',
  'dead',
  'mse',
  'sparsity_loss',
  'tokens_per_s',
  // What may begin to tell something late comes last, so that no other panel moves.
  'aux_loss',
  'lambda',
] as const satisfies (keyof RunPoint)[]

/** A field of a point that is drawn. */
export type Quantity = (typeof quantityNames)[number]
