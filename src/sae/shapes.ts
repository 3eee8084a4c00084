/** Where an SAE writes, and the shapes of its weights. */

import type { HookName } from '../model/index.ts'
import type { Sae } from './types.ts'

/**
 * The site whose activation `decode` reconstructs, and its width: the transcoder's output, else the site it reads.
 * Decoder rows, steering and splicing live here; `sae.hook_name` is where it reads.
 */
export function outputSite(sae: Pick<Sae, 'hook_name' | 'd_in' | 'transcoder'>): {
  readonly hook: HookName
  readonly d: number
} {
  const { hook_name, d_in, transcoder } = sae
  if (transcoder === undefined) return { hook: hook_name, d: d_in }
  return { hook: transcoder.hook_name_out, d: transcoder.d_out }
}

/** The weights that an SAE can have, as every format names them. */
export const WEIGHT_NAMES = ['W_enc', 'b_enc', 'W_dec', 'b_dec', 'threshold', 'W_skip'] as const

export type WeightName = (typeof WEIGHT_NAMES)[number]

/** One weight of an SAE; only `W_skip` can be absent. */
export function weightOf(sae: Sae, name: WeightName): Float32Array | undefined {
  return name === 'W_skip' ? sae.transcoder?.W_skip : sae[name]
}

/** The shape of each weight, row-major. */
export function weightShapes(
  d_in: number,
  d_sae: number,
  d_out: number,
): Record<WeightName, readonly number[]> {
  return {
    W_enc: [d_in, d_sae],
    b_enc: [d_sae],
    W_dec: [d_sae, d_out],
    b_dec: [d_out],
    threshold: [d_sae],
    W_skip: [d_in, d_out],
  }
}
