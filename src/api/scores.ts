/** Tests of labels by the server: which there are, what they would cost, and their order. */
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

/** Which labels: of one latent, or of the n latents of each SAE of the suite that fire and disagree most. */
export const ScoringScope = z.object(scope).refine(...together)

/** Which of their scores that are not there yet. */
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

export const ScoringOffers = z.object({
  /** The model that is asked, and where; absent where none is set up. */
  judge: z
    .object({
      model: z.string(),
      where: z.string(),
      /** Dollars that one run may spend; absent where the price is not known. */
      max_cost: z.number().optional(),
    })
    .optional(),
  offers: z.array(ScoringOffer),
})

export type ScoringScope = z.input<typeof ScoringScope>
export type ScoringRequest = z.input<typeof ScoringRequest>
export type ScoringOffers = z.infer<typeof ScoringOffers>
