/** From a draft's weights to an SAE. */

import { checkShapes } from '../check.ts'
import type { Sae } from '../types.ts'
import type { Draft } from './fold.ts'
import type { Dialect, PublishedSae, Sites } from './published.ts'

type About = {
  readonly dialect: Dialect
  readonly where: string
  readonly sites: Sites
  /** TopK's k; JumpReLU without. */
  readonly k?: number
  readonly notes: readonly string[]
  readonly l0?: number | undefined
  readonly model_name?: string | undefined
}

/**
 * The SAE of a folded draft. A negative threshold becomes 0, which is the same: every encoder of these dialects has a ReLU.
 * @throws RangeError for numbers that are not finite, sizes that disagree, or a k that d_sae cannot have.
 */
export function finishSae(draft: Draft, about: About): PublishedSae {
  const { dialect, where, sites, k, l0, model_name } = about
  const { d_in, d_sae, d_out, W_enc, b_enc, W_dec, b_dec, W_skip } = draft
  const { hook_name, hook_name_out } = sites
  const notes = [...about.notes, activationNote(k)]
  const sae: Sae = {
    architecture: k === undefined ? 'jumprelu' : 'topk',
    hook_name,
    d_in,
    d_sae,
    W_enc,
    b_enc,
    W_dec,
    b_dec,
    threshold: draft.threshold.map((theta) => Math.max(0, theta)),
    ...(k === undefined ? {} : { k }),
    ...(hook_name_out === undefined
      ? {}
      : { transcoder: { hook_name_out, d_out, ...(W_skip === undefined ? {} : { W_skip }) } }),
    metadata: {
      ...(model_name === undefined ? {} : { model_name }),
      source: where,
      dialect,
      ...(l0 === undefined ? {} : { published_l0: l0 }),
      notes,
    },
  }
  checkShapes(sae, where)
  return {
    dialect,
    sae,
    notes,
    ...(l0 === undefined ? {} : { l0 }),
    ...(model_name === undefined ? {} : { model_name }),
  }
}

/** Says where an SAE is, and how Hooke knows. */
export function siteNote({ hook_name, hook_name_out }: Sites, from: string): string {
  const to = hook_name_out === undefined ? '' : ` and writes ${hook_name_out}`
  return `It reads ${hook_name}${to} (${from}).`
}

function activationNote(k: number | undefined): string {
  if (k === undefined)
    return 'A latent is on where its pre-activation is above its threshold (JumpReLU; ReLU is threshold 0).'
  return `A token keeps its ${k} largest latents of those above 0, and all that tie with the last.`
}
