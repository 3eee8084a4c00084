/** What a comparison needs and what it finds. Activations are in the model's own scale, effects in units of each latent's maximum. */

import type { HookName, Model } from '../model/index.ts'
import type { SaeRunner } from '../sae/index.ts'

/** One SAE, opened when its turn comes. */
export type CompareSite = {
  /** What the caller knows it by. */
  readonly id: string
  /** The site it reads. */
  readonly hook: HookName
  /** The site a transcoder writes; absent otherwise. */
  readonly hook_out?: HookName
  /** Nothing where it cannot be opened: it is left out then. */
  readonly open: () => Promise<OpenSite | undefined>
}

/** An open SAE with what was measured of its latents. */
export type OpenSite = {
  readonly runner: SaeRunner
  /** Per latent [d_sae]; absent until the SAE is indexed. */
  readonly measured?: { readonly density: Float32Array; readonly max_act: Float32Array }
  /** Called when the comparison needs it no more. */
  readonly close?: () => Promise<void>
}

/** Token ids and the model that reads them. */
export type Run = { readonly model: Model; readonly ids: Int32Array }

/** A latent on a token of A and the token of B beside it. */
export type LatentChange = {
  readonly index: number
  /** Activations, 0 where it is off or the text has no token there. */
  readonly a: number
  readonly b: number
  /** (b - a) / the latent's unit */
  readonly effect: number
}

/** A site at one place of the alignment. */
export type Cell = {
  /**
   * `sum |s_b - s_a| / sum max(s_a, s_b)` over latents, s being activations in units of the latent's maximum: 0 nothing
   * changed, 1 nothing in common. Absent where one text has no token, or nothing is active.
   */
  readonly change?: number
  /** Latents on in B only, in A only, and on in both but more or less. */
  readonly n_gained: number
  readonly n_lost: number
  readonly n_stronger: number
  readonly n_weaker: number
  /** Those that change most, by |effect|; where only one text has a token, its strongest. */
  readonly top: readonly LatentChange[]
}

/**
 * Over a whole comparison. Of those that change on aligned tokens: `gained`, `lost`: fires nowhere in A (in B);
 * `strengthened`, `weakened`: fires in both, more (less) in B where it changes most. Of the others `only_a`, `only_b`: fires in
 * one text alone, on tokens that only that text has.
 */
export type ChangeKind = 'gained' | 'lost' | 'strengthened' | 'weakened' | 'only_a' | 'only_b'

/** A latent over a whole comparison. */
export type RankedLatent = LatentChange & {
  readonly kind: ChangeKind
  /** The place of the alignment where |effect| is largest; a, b and effect are those there. */
  readonly column: number
  /** Mean effect over all pairs of tokens; 0 for `only_a` and `only_b`. */
  readonly mean_effect: number
  /** Places where it changes. */
  readonly n_columns: number
}

export type SiteComparison = {
  readonly id: string
  readonly hook: HookName
  /** What effects are in units of: the latent's largest activation in the corpus, or in these two runs where none is known. */
  readonly unit: 'corpus' | 'runs'
  /** [n_columns]; null at special tokens, which SAEs do not read. */
  readonly cells: readonly (Cell | null)[]
  /** Mean `change` over the pairs that have one; absent where none has. */
  readonly change?: number
  /** Mean number of active latents on each side's tokens. */
  readonly l0_a: number
  readonly l0_b: number
  /** How many latents there are of each kind. */
  readonly n: Readonly<Record<ChangeKind, number>>
  /** Those that change on aligned tokens, and those of `only_a` and `only_b`: the foremost of each by |effect|. */
  readonly latents: readonly RankedLatent[]
  readonly apart: readonly RankedLatent[]
  /** The last tokens of both, whether they are aligned or not. */
  readonly final: Cell | null
}

/** What both runs predict behind a token: the most probable of either. */
export type Guess = { readonly id: number; readonly p_a: number; readonly p_b: number }

/** One side's tokens. */
export type Side = {
  readonly ids: Int32Array
  /** [n_tokens]: nats of predicting this token; null for the first. */
  readonly loss: readonly (number | null)[]
}

export type Column = {
  readonly a?: number
  readonly b?: number
  /** Both runs hold the same token here. */
  readonly isSame: boolean
  /** KL(A || B) of what is predicted next, in nats; absent where one text has no token. */
  readonly kl?: number
}

export type RunComparison = {
  readonly a: Side
  readonly b: Side
  readonly columns: readonly Column[]
  readonly sites: readonly SiteComparison[]
  /** What comes next behind the last tokens. */
  readonly final: {
    readonly kl_ab: number
    readonly kl_ba: number
    readonly guesses: readonly Guess[]
  }
  /** Latents that were not looked at because they fire on too many tokens. */
  readonly n_dense: number
}

/** How alike two models' activations are at a site. */
export type Likeness = {
  /** Mean over tokens. */
  readonly cosine: number
  /** `sqrt(sum ||x_tuned - x_base||^2 / sum ||x_base||^2)` */
  readonly distance: number
}

/** An SAE on one of the models. */
export type SiteFit = {
  readonly l0: number
  /** Absent where activations do not vary. */
  readonly fvu?: number
  /** What splicing the SAE's reconstruction adds to this model's own loss, in nats, on `splice_tokens`. */
  readonly delta_ce_loss?: number
}

/** How a latent's use differs between two models on the same tokens. */
export type LatentShift = {
  readonly index: number
  /**
   * `gained`, `lost`: its density differs (q of McNemar's test below the level); else `strengthened`, `weakened`: it is
   * stronger (weaker) on the tokens where both models have it on.
   */
  readonly kind: 'gained' | 'lost' | 'strengthened' | 'weakened'
  /** Mean over tokens of (tuned - base), in units of its maximum, and its standard error. */
  readonly effect: number
  readonly effect_se: number
  /** Mean activation over all tokens. */
  readonly mean_base: number
  readonly mean_tuned: number
  readonly density_base: number
  readonly density_tuned: number
  /** Share of false discoveries at which it still counts as found, among all latents of all sites. */
  readonly q: number
}

export type SiteShift = Likeness & {
  readonly id: string
  readonly hook: HookName
  readonly unit: 'corpus' | 'runs'
  readonly base: SiteFit
  readonly tuned: SiteFit
  readonly n: Readonly<Record<LatentShift['kind'], number>>
  /** The foremost significant ones, by |effect|. */
  readonly latents: readonly LatentShift[]
}

export type ModelSide = {
  readonly name: string
  readonly hash: string
  /** Mean next-token loss in nats. */
  readonly ce_loss?: number
}

export type ModelComparison = {
  readonly base: ModelSide
  readonly tuned: ModelSide
  /** Tokens compared, special ones left out. */
  readonly n_tokens: number
  readonly n_excluded: number
  readonly n_documents: number
  /** Tokens that `delta_ce_loss` was measured on; 0 where it was not. */
  readonly splice_tokens: number
  /** KL(base || tuned) of predictions, mean in nats; absent where no token is predicted. */
  readonly kl?: number
  /** The residual stream after every block. */
  readonly layers: readonly (Likeness & { readonly hook: HookName })[]
  /** The first of `layers` and `sites`, in the order of the pass, whose distance is above rounding (1e-5). */
  readonly first_changed?: HookName
  readonly sites: readonly SiteShift[]
  /** Tests that had something to tell, and the level of q below which a latent is listed. */
  readonly n_tests: number
  readonly level: number
}
