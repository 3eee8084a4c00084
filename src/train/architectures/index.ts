/** The architectures, one file each. */
import { batchtopk } from './batchtopk.ts'
import { gated } from './gated.ts'
import { jumprelu } from './jumprelu.ts'
import { matryoshka } from './matryoshka.ts'
import { relu } from './relu.ts'
import { topk } from './topk.ts'
import type { Architecture } from './types.ts'

export type { Architecture } from './types.ts'

export const ARCHITECTURE_NAMES = [
  'jumprelu',
  'relu',
  'gated',
  'topk',
  'batchtopk',
  'matryoshka',
] as const
export type ArchitectureName = (typeof ARCHITECTURE_NAMES)[number]

export const ARCHITECTURES: Readonly<Record<ArchitectureName, Architecture>> = {
  jumprelu,
  relu,
  gated,
  topk,
  batchtopk,
  matryoshka,
}
