/** Labels by a language model, and tests of labels, ordered of the server: which there are, what they would cost, and their order. */
import { z } from '@hono/zod-openapi'
import { SaeId } from './common.ts'

export const ScorerName = z.enum([
  'lexical',
  'embedding',
  'intruder',
  'detection',
  'fuzzing',
  'causal',
  'simulation',
])

const scope = {
  sae: SaeId.optional(),
  index: z.int().min(0).optional(),
  n_latents: z.int().min(1).max(100_000).default(200),
}
const together = [
  ({ sae, index }: { sae?: string | undefined; index?: number | undefined }) =>
    (sae === undefined) === (index === undefined),
  { message: 'sae and index go together' },
] as const

/** Of one latent, or of the n latents of each SAE of the suite that fire most; for tests, and whose labels disagree most. */
export const LabelScope = z.object(scope).refine(...together)

/** Which scores of their labels that are not there yet. */
export const ScoringRequest = z
  .object({ ...scope, scorers: z.array(ScorerName).min(1).max(ScorerName.options.length) })
  .refine(...together)

/** What a scorer would ask about the labels that lack its score. Estimates, but for `n_labels`. */
export const ScoringOffer = z.object({
  scorer: ScorerName,
  n_labels: z.number(),
  n_calls: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  /** Dollars; absent where the price is not known. */
  cost: z.number().optional(),
  /** Why it cannot be ordered here; absent where it can. */
  absent: z.string().optional(),
})

/** The model that is asked, and where. */
export const Judge = z.object({
  model: z.string(),
  where: z.string(),
  /** Dollars that one run may spend; absent where the price is not known. */
  max_cost: z.number().optional(),
})

export const ScoringOffers = z.object({
  /** Absent where none is set up. */
  judge: Judge.optional(),
  offers: z.array(ScoringOffer),
})

const ExplainerName = z.enum(['pairs', 'contexts', 'contrastive'])

/** How the language model is to be shown the latents that it has not labelled so yet. */
export const ExplainingRequest = z
  .object({ ...scope, explainer: ExplainerName.default('contexts') })
  .refine(...together)

export const ExplainingOffers = z.object({
  /** Absent where none is set up; there are no offers then. */
  judge: Judge.optional(),
  offers: z.array(
    z.object({
      explainer: ExplainerName,
      n_latents: z.number(),
      /** Dollars; absent where the price is not known. */
      cost: z.number().optional(),
    }),
  ),
})

export type LabelScope = z.input<typeof LabelScope>
export type ScoringRequest = z.input<typeof ScoringRequest>
export type ScoringOffers = z.infer<typeof ScoringOffers>
export type ExplainingRequest = z.input<typeof ExplainingRequest>
export type ExplainingOffers = z.infer<typeof ExplainingOffers>
