/** One alternative way of running an SAE, and how well L0 and FVU fit under it. */

import type { HookName } from '../model/index.ts'
import { outputSite, type SaeRunner } from '../sae/index.ts'
import { countActive } from './density.ts'
import { addToFvu, fvu, fvuSums } from './fvu.ts'
import { l0 } from './l0.ts'
import type { Measured } from './selfTestBadge.ts'

/** What kind of mistake it is: of the site, the scale, the beginning of the text, the norm's gain, or the decoder's bias. */
export type CauseKind = 'hook' | 'scale' | 'bos' | 'norm_gain' | 'b_dec'

export type Trial = {
  readonly kind: CauseKind
  /** Completes "fits better …". */
  readonly fits: string
  /** [n, d_in] what the SAE reads. */
  readonly x: Float32Array
  /** [n, d_out] what it should write. */
  readonly y: Float32Array
  /** [n] factors of the inputs, which reconstructions are divided by; 1 where absent. */
  readonly unscale?: Float32Array
  readonly hook_name?: HookName
  readonly hook_name_out?: HookName
  readonly scale?: number
}

/** How well it fits. FVU is absent where reconstructing would take too long. */
export type Fit = Pick<Measured, 'l0' | 'fvu'> & { readonly n_tokens: number }

export type Found = { readonly trial: Trial; readonly fit: Fit }

/** Multiplications of a reconstruction beyond which it is left out: several seconds. */
const DECODE_COST = 2 ** 32

/** L0 and FVU of an alternative. */
export async function fitOf(runner: SaeRunner, { x, y, unscale }: Trial): Promise<Fit> {
  const { sae } = runner
  const { d } = outputSite(sae)
  const n_tokens = x.length / sae.d_in
  const acts = await runner.encode(x)
  const n_active = new Uint32Array(sae.d_sae)
  countActive(acts, n_active)
  const found = { n_tokens, l0: l0(n_active, n_tokens) }
  if (acts.index.length * d > DECODE_COST) return found
  const recon = await runner.decode(acts, x)
  if (unscale !== undefined) {
    for (let i = 0; i < recon.length; i++) recon[i]! /= unscale[Math.floor(i / d)]!
  }
  const sums = fvuSums(y.slice(0, d))
  addToFvu(sums, y, recon)
  const share = fvu(sums)
  return Number.isFinite(share) ? { ...found, fvu: share as number } : found
}
