/** How SAEs lie in a suite's folder, and how widths are named. */

import type { HookName } from '../model/index.ts'

/** One trained SAE of a suite, as its folder tells. */
export type SaeEntry = {
  /** The site it reads. */
  readonly hook: HookName
  /** The site a transcoder writes; absent otherwise. */
  readonly hook_out?: HookName
  readonly d_in: number
  readonly d_sae: number
  /** The L0 it was trained for, as in its folder's name. */
  readonly l0: number
  /** Its folder. */
  readonly path: string
}

/** What made a suite: suite.json. */
export type SuiteManifest = {
  readonly name: string
  readonly model: { readonly name: string; readonly path: string; readonly hash: string }
  /** Hash (hex) of the text or activations it was trained on. */
  readonly data_hash: string
  /** The settings of the training, as given. */
  readonly config: Readonly<Record<string, unknown>>
  /** Version of Hooke. */
  readonly version: string
  /** ISO 8601, UTC. */
  readonly created: string
}

/** Fidelity at positions `start` up to but not including `end` of a document; BOS lies at 0. */
export type PositionBin = {
  readonly start: number
  readonly end: number
  readonly n_tokens: number
  /** Squared error over squared distance from the mean over all positions, both summed over the tokens here. */
  readonly fvu?: number
  /** What splicing adds to the loss of predicting the tokens here, mean in nats. */
  readonly delta_ce_loss?: number
}

/**
 * What was measured of one SAE on held-out text: metrics.json. Each metric is defined in `evaluate/`; optional ones are absent
 * for a reason, or in files of versions that did not measure them.
 */
export type Metrics = {
  /** Tokens the metrics were measured on, specials left out. */
  readonly n_tokens: number
  /** Special tokens (BOS, EOS, padding, chat frame) that were left out. */
  readonly n_excluded: number
  readonly l0: number
  /** Absent where the activations do not vary. */
  readonly fvu?: number
  /** The model's own mean next-token loss in nats on these tokens. */
  readonly ce_loss?: number
  /** What the loss grows by, in nats, when the SAE's reconstruction takes the activation's place. */
  readonly delta_ce_loss?: number
  /** KL(plain || spliced) of the predictions, mean over targets in nats. */
  readonly kl?: number
  /** Loss in nats with the site set to zero, on `ce_loss_zero_tokens` of the tokens. */
  readonly ce_loss_zero?: number
  readonly ce_loss_zero_tokens?: number
  /** (CE_zero - CE_spliced) / (CE_zero - CE_plain) on those tokens. */
  readonly ce_loss_recovered?: number
  /** E(||recon|| / ||x||) */
  readonly l2_ratio?: number
  /** E ||recon||^2 / E(x . recon) */
  readonly relative_reconstruction_bias?: number
  /** r_L0: share of a token's active latents that effectively matters to the next token, mean over `uniformity_tokens`. */
  readonly uniformity?: number
  readonly uniformity_tokens?: number
  /** Share of latents that fired on none of the last `dead_window_tokens` tokens. */
  readonly dead: number
  readonly dead_window_tokens: number
  /** Share of latents that fired on none of the first `n_tokens`, for windows of several lengths. */
  readonly dead_windows?: readonly { readonly n_tokens: number; readonly dead: number }[]
  /** Latents by log10 of their density: counts[b] of them in [edges[b], edges[b + 1]); dead ones are in none. */
  readonly density_histogram: {
    readonly edges: readonly number[]
    readonly counts: readonly number[]
  }
  /** Fidelity by position in the document, in order; only bins that hold tokens. */
  readonly by_position?: readonly PositionBin[]
  /** Why a number above is absent, by its name. */
  readonly absent: Readonly<Record<string, string>>
  /** Hash (hex) of the model and of the text. */
  readonly model_hash: string
  readonly corpus_hash: string
}

/**
 * How a width is written in names, as Gemma Scope does: `1024` is `1k`, `16384` `16k`, `131072` `131k`, `1048576` `1m`;
 * a width that is no multiple of 1024 is written as the number. Different widths have different names.
 */
export function widthName(d_sae: number): string {
  if (d_sae % 2 ** 20 === 0) return `${Math.floor(d_sae / 1e6)}m`
  return d_sae % 2 ** 10 === 0 ? `${Math.floor(d_sae / 1e3)}k` : String(d_sae)
}

/** The folder of one SAE: `<suite>/<hook>/width_2k/l0_32`. */
export function saeFolder(suite: string, hook: HookName, d_sae: number, l0: number): string {
  return `${suite}/${hook}/width_${widthName(d_sae)}/l0_${l0}`
}
