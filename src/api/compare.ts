/** Two prompts, or two models, latent by latent. What each number is: `src/compare/types.ts`. */
import { z } from '@hono/zod-openapi'
import { LatentChip, SaeId, TokenView } from './common.ts'

const Text = z.string().min(1).max(20_000)

export const ComparePromptsRequest = z.object({
  a: Text,
  b: Text,
  suite: z.string().optional(),
  /** Leave out latents that fire on more than this share of tokens. */
  max_density: z.number().min(0).max(1).default(0.1),
})

/** A latent in A and in B: activations, and (b - a) / the latent's maximum. */
const LatentChange = z.object({
  index: z.number(),
  a: z.number(),
  b: z.number(),
  effect: z.number(),
})

export const CompareCell = z.object({
  /** sum |s_b - s_a| / sum max(s_a, s_b), s in units of each latent's maximum: 0 nothing changed, 1 nothing in common. */
  change: z.number().optional(),
  n_gained: z.number(),
  n_lost: z.number(),
  n_stronger: z.number(),
  n_weaker: z.number(),
  /** Those that change most; where only one text has a token, its strongest. */
  top: z.array(LatentChange),
})

/** only_a, only_b: fires only in what one text alone has, and changes nowhere else. */
export const ChangeKind = z.enum(['gained', 'lost', 'strengthened', 'weakened', 'only_a', 'only_b'])

/** A latent over the whole comparison, at the column where |effect| is largest. */
const RankedLatent = LatentChange.extend({
  kind: ChangeKind,
  column: z.number(),
  mean_effect: z.number(),
  n_columns: z.number(),
})

const CompareSide = z.object({
  tokens: z.array(TokenView),
  /** [n_tokens]: nats of predicting this token; null for the first. */
  loss: z.array(z.number().nullable()),
})

const siteFields = {
  sae: SaeId,
  hook: z.string(),
  layer: z.number().optional(),
  /** Of effects: the latent's maximum in the corpus, or in what was compared where the SAE is not indexed. */
  unit: z.enum(['corpus', 'runs']),
}

export const PromptComparison = z.object({
  a: CompareSide,
  b: CompareSide,
  /** The alignment: tokens of A and B beside each other, or of one alone. */
  columns: z.array(
    z.object({
      a: z.number().optional(),
      b: z.number().optional(),
      /** The same token in both. */
      isSame: z.boolean(),
      /** KL(A || B) of the next token's prediction, nats. */
      kl: z.number().optional(),
    }),
  ),
  sites: z.array(
    z.object({
      ...siteFields,
      /** [n_columns]; null at special tokens. */
      cells: z.array(CompareCell.nullable()),
      /** Mean over aligned tokens. */
      change: z.number().optional(),
      l0_a: z.number(),
      l0_b: z.number(),
      n: z.record(ChangeKind, z.number()),
      /** Latents that change on aligned tokens, and those that fire in what one text alone has: the foremost by |effect|. */
      latents: z.array(RankedLatent),
      apart: z.array(RankedLatent),
      /** The last tokens of both, aligned or not. */
      final: CompareCell.nullable(),
    }),
  ),
  /** What comes next behind the last tokens. */
  final: z.object({
    kl_ab: z.number(),
    kl_ba: z.number(),
    guesses: z.array(z.object({ piece: z.string(), p_a: z.number(), p_b: z.number() })),
  }),
  /** Every latent that appears above, once. */
  latents: z.array(LatentChip),
  left_out: z.array(z.string()),
})

export const CompareModelsRequest = z.object({
  suite: z.string().optional(),
  /** The other model: a bundled name, a folder, or a Hub id that was fetched before. */
  model: z.string().trim().min(1).max(1000),
  /** What to compare on; the suite's own text where absent. */
  text: Text.optional(),
  n_tokens: z.number().int().min(1).max(100_000).default(4096),
  /** Tokens on which reconstructions are put in place of activations; 0 leaves that out. */
  splice_tokens: z.number().int().min(0).max(20_000).default(1024),
})

const likeness = {
  /** Mean cosine between the activations of the same tokens in both models. */
  cosine: z.number(),
  /** sqrt(sum ||x_tuned - x_base||^2 / sum ||x_base||^2) */
  distance: z.number(),
}
const ModelSide = z.object({ name: z.string(), hash: z.string(), ce_loss: z.number().optional() })
const SiteFit = z.object({
  l0: z.number(),
  fvu: z.number().optional(),
  delta_ce_loss: z.number().optional(),
})

export const ShiftKind = z.enum(['gained', 'lost', 'strengthened', 'weakened'])

export const ModelComparison = z.object({
  base: ModelSide,
  tuned: ModelSide,
  n_tokens: z.number(),
  n_excluded: z.number(),
  n_documents: z.number(),
  splice_tokens: z.number(),
  /** KL(base || tuned) of predictions, mean in nats. */
  kl: z.number().optional(),
  /** The residual stream after every block. */
  layers: z.array(z.object({ hook: z.string(), layer: z.number().optional(), ...likeness })),
  /** The first site that differs by more than rounding. */
  first_changed: z.string().optional(),
  sites: z.array(
    z.object({
      ...siteFields,
      ...likeness,
      base: SiteFit,
      tuned: SiteFit,
      n: z.record(ShiftKind, z.number()),
      /** The foremost significant latents by |effect|: mean (tuned - base) over tokens, in units of the maximum. */
      latents: z.array(
        z.object({
          index: z.number(),
          kind: ShiftKind,
          effect: z.number(),
          effect_se: z.number(),
          mean_base: z.number(),
          mean_tuned: z.number(),
          density_base: z.number(),
          density_tuned: z.number(),
          q: z.number(),
        }),
      ),
    }),
  ),
  n_tests: z.number(),
  /** Latents with a q up to this are listed. */
  level: z.number(),
  latents: z.array(LatentChip),
  /** The beginning of the text, token by token: A is the base model, B the other. */
  shown: PromptComparison,
  left_out: z.array(z.string()),
})

export const CompareModelsEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), share: z.number(), message: z.string() }),
  z.object({ type: z.literal('done'), comparison: ModelComparison }),
  z.object({ type: z.literal('error'), error: z.string() }),
])

export type ComparePromptsRequest = z.input<typeof ComparePromptsRequest>
export type CompareCell = z.infer<typeof CompareCell>
export type ChangeKind = z.infer<typeof ChangeKind>
export type ShiftKind = z.infer<typeof ShiftKind>
export type PromptComparison = z.infer<typeof PromptComparison>
export type CompareModelsRequest = z.input<typeof CompareModelsRequest>
export type ModelComparison = z.infer<typeof ModelComparison>
export type CompareModelsEvent = z.infer<typeof CompareModelsEvent>
