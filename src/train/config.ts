/** What a training run is asked for, and the recipe it follows; every default is visible here. */
import { z } from 'zod'
import type { HookName } from '../model/index.ts'
import { ARCHITECTURE_NAMES, ARCHITECTURES } from './architectures/index.ts'

/** One SAE of the suite, or one transcoder. */
export type SaeSpec = {
  /** The site it reads. */
  readonly hook: HookName
  readonly d_sae: number
  /**
   * Target mean number of active latents a token. Where lambda is fixed, nothing but the first thresholds and the name of
   * the folder follow it.
   */
  readonly l0: number
  /** A transcoder: the site that it reconstructs instead of the one it reads. */
  readonly hook_out?: HookName
}

/** Latents a token that a dictionary needs to begin with: from fewer, too many never find a direction. */
const FIRST_ACTIVE = 50

/**
 * The recipe: Gemma Scope's (arXiv:2408.05147 §3.2) with the corrections that a run of a few thousand steps needs.
 * Absent fields take defaults from the width of the site and the number of steps (`resolveRecipe`).
 */
export const Recipe = z.strictObject({
  /** What decides which latents are active; one file each in `architectures/`. */
  architecture: z.enum(ARCHITECTURE_NAMES).default('jumprelu'),
  /**
   * `target`: the sparsity loss holds L0 at the target (jumprelu), or lambda follows L0 until it meets it (relu, gated).
   * `fixed`: lambda stays as given, and L0 is what comes of it. Those that count their latents (topk, batchtopk,
   * matryoshka) have no sparsity loss.
   */
  sparsity: z.enum(['target', 'fixed']).default('target'),
  /** Transcoders: also an affine skip `x W_skip` from input to output. */
  skip: z.boolean().default(false),
  /**
   * Peak learning rate of Adam for weights and biases. Default `0.006 sqrt(256 / d_in) sqrt(500 / n_steps)`, the last factor
   * at most 1, the whole at least 7e-5, Gemma Scope's value, which presumes a million steps. Found on residual streams of a
   * 5M-parameter model: in 500 steps 0.002 leaves a third more error than 0.006, and 0.012 kills the dictionary. relu and
   * gated: above an l0 of 32 times `sqrt(32 / l0)`; nothing holds their activations, and at 128 a run at 0.006 broke off.
   */
  lr: z.number().positive().optional(),
  /**
   * Peak learning rate of thresholds. Default `0.0005 sqrt(256 / d_in) sqrt(1500 / n_steps)`, the last factor at most 1,
   * the whole at least 7e-5. Thresholds that move as fast as weights close latents before they have found a direction.
   */
  lr_threshold: z.number().positive().optional(),
  /** Steps of cosine warm-up from 0.1 lr to lr. Default 1000, at most 5 % of the run. */
  lr_warmup_steps: z.int().min(0).optional(),
  /** Last share of the run in which lr falls linearly to 0 (deviation: Gemma Scope's is constant). */
  lr_decay: z.number().min(0).max(1).default(0.3),
  /**
   * Coefficient of the sparsity loss: `lambda / (2 l0*) (l0 - l0*)^2`, whose slope is lambda at twice the target, or
   * `lambda l0` where it is fixed (jumprelu); `lambda mean sum acts` (relu, gated), where it is the first value that is
   * then moved until L0 meets the target. Default by architecture: 0.1, 0.02, 0.02.
   */
  lambda: z.number().min(0).optional(),
  /** Steps of linear warm-up of lambda from 0. Default 10 % of the run, at most 10,000. */
  lambda_warmup_steps: z.int().min(0).optional(),
  /** Width of the rectangle kernel of the threshold gradient. Default `0.001 sqrt(2304 / d_in)`. */
  bandwidth: z.number().positive().optional(),
  /**
   * First thresholds (jumprelu) or biases (relu, gated) let this multiple of the target l0 through on the first batch
   * (deviation: Gemma Scope starts at 0.001, an l0 of about d_sae / 2, which a long run can afford). Default 2; jumprelu at
   * least 50 latents a token, or a twentieth of them; transcoders 12, because their decoder is a stranger to their encoder at first. In 500 steps at
   * l0 10 a run from 5 leaves 3 % of latents silent, from 2 a quarter; at 32 one from 4 has a tenth more error than from 2.
   * From the MLP of block 4 of a 5M-parameter model, L0 32, 300 steps of 512, FVU is 0.365 at L0 24 from 2 (21 % dead) and
   * 0.295 at L0 35 from 12 (none dead).
   */
  init_l0: z.number().positive().optional(),
  /** Decay of Adam's second moment. Its first moment has decay 0, so none is kept. */
  beta2: z.number().min(0).max(1).default(0.999),
  /** Adam's epsilon. */
  adam_eps: z.number().positive().default(1e-8),
  /** A latent that has not fired on this many tokens is dead. Default 1 % of the run, at least 10,000, at most 10 million. */
  dead_window_tokens: z.int().positive().optional(),
  /**
   * jumprelu: coefficient of the loss `mean sum relu(threshold - pre_acts)` on dead latents, which raises them until they
   * fire (deviation: Gemma Scope lets them be; 0 does). On the residual stream of block 4 of a 5M-parameter model, 1.5M
   * tokens, it takes the latents silent on 23,000 held-out tokens from 2.5 % to 0.5 % at equal error.
   */
  pre_act_weight: z.number().min(0).default(1e-4),
  /** jumprelu: coefficient of the frequency penalty `sum_i omega_i (1 + omega_i / knee)`, omega_i the share of tokens. 0: none. */
  frequency_weight: z.number().min(0).default(0),
  /** Frequency above which the penalty grows quadratically. */
  frequency_knee: z.number().positive().default(0.1),
  /** topk, batchtopk, matryoshka: coefficient of AuxK, by which dead latents learn the error that is left (1/32, arXiv:2406.04093). */
  aux_weight: z
    .number()
    .min(0)
    .default(1 / 32),
  /** Dead latents a token that take part in AuxK. Default half the width of the site. */
  aux_k: z.int().positive().optional(),
  /** matryoshka: shares of the latents in each group; every prefix of groups reconstructs on its own. */
  group_fractions: z
    .array(z.number().positive())
    .min(1)
    .default([1 / 32, 1 / 16, 1 / 8, 1 / 4, 17 / 32]),
  /**
   * Slices into which the latents of each SAE are cut. Results depend on it, not on the number of threads, which may be
   * anything from 1 to this. Default `d_sae / 1024` within 2 and 8.
   */
  shards: z.int().positive().optional(),
  /** Steps between measurements. Default 1 % of the run, at least 1. */
  point_every_steps: z.int().positive().optional(),
  /** Steps between checkpoints. Default 500. */
  checkpoint_every_steps: z.int().positive().default(500),
})

/** Fields of the recipe that a caller sets. */
export type RecipeInput = z.input<typeof Recipe>
/** The recipe with nothing left open, for one SAE. */
export type ResolvedRecipe = {
  readonly [K in keyof z.output<typeof Recipe>]-?: NonNullable<z.output<typeof Recipe>[K]>
}

/**
 * Fills the open fields of a recipe for one SAE.
 * @throws z.ZodError if a field is unknown or out of its range, RangeError if the architecture has no use for one that is set.
 */
export function resolveRecipe(
  input: RecipeInput,
  run: {
    d_in: number
    d_sae: number
    l0: number
    n_steps: number
    n_tokens: number
    transcoder?: boolean
  },
): ResolvedRecipe {
  const recipe = Recipe.parse(input)
  const { d_in, d_sae, l0, n_steps, n_tokens, transcoder = false } = run
  const architecture = ARCHITECTURES[recipe.architecture]
  if (recipe.frequency_weight > 0 && !architecture.learns_threshold)
    throw new RangeError(
      `train: frequency_weight ${recipe.frequency_weight} is a price on thresholds, which ${recipe.architecture} does not learn; leave it out or train jumprelu`,
    )
  if (recipe.sparsity === 'fixed' && architecture.selection !== 'threshold')
    throw new RangeError(
      `train: ${recipe.architecture} keeps exactly l0 latents and has no lambda to fix; leave sparsity out`,
    )
  const peak = (lr: number, full_until_steps: number) =>
    Math.max(7e-5, lr * Math.sqrt(256 / d_in) * Math.min(1, Math.sqrt(full_until_steps / n_steps)))
  return {
    ...recipe,
    lambda: recipe.lambda ?? architecture.lambda,
    lr:
      recipe.lr ??
      peak(0.006, 500) * (architecture.pays_activation ? Math.min(1, Math.sqrt(32 / l0)) : 1),
    lr_threshold: recipe.lr_threshold ?? peak(0.0005, 1500),
    lr_warmup_steps: recipe.lr_warmup_steps ?? Math.min(1000, Math.ceil(n_steps * 0.05)),
    lambda_warmup_steps: recipe.lambda_warmup_steps ?? Math.min(10_000, Math.ceil(n_steps * 0.1)),
    init_l0:
      recipe.init_l0 ??
      (transcoder
        ? 12
        : architecture.learns_threshold
          ? Math.max(2, Math.min(FIRST_ACTIVE, d_sae / 20) / l0)
          : 2),
    bandwidth: recipe.bandwidth ?? 0.001 * Math.sqrt(2304 / d_in),
    dead_window_tokens:
      recipe.dead_window_tokens ?? Math.min(1e7, Math.max(10_000, Math.round(n_tokens * 0.01))),
    aux_k: recipe.aux_k ?? Math.ceil(d_in / 2),
    shards: recipe.shards ?? Math.min(8, Math.max(2, Math.floor(d_sae / 1024))),
    point_every_steps: recipe.point_every_steps ?? Math.max(1, Math.round(n_steps / 100)),
  }
}
