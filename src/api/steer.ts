/** Steering. */
import { z } from '@hono/zod-openapi'
import { SaeId } from './common.ts'

export const Intervention = z.object({
  sae: SaeId,
  latent: z.number().int().min(0),
  mode: z.enum(['add', 'scale', 'clamp', 'ablate']),
  /** add, clamp: in units of the latent's own maximum activation; scale: a factor; ablate: unused. */
  strength: z.number().min(-100).max(100).default(1),
})

export const SteerRequest = z.object({
  prompt: z.string().max(20_000),
  interventions: z.array(Intervention).min(1).max(16),
  max_tokens: z.number().int().min(1).max(2048).default(60),
  temperature: z.number().min(0).max(5).default(0.7),
  top_k: z.number().int().min(0).default(0),
  top_p: z.number().min(0).max(1).default(1),
  seed: z.number().int().default(0),
})

export const SteerEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('token'),
    side: z.enum(['default', 'steered']),
    piece: z.string(),
    /** What it adds to the text: empty while the bytes of a character are incomplete. */
    text: z.string().optional(),
    /** Log-probability of this token under the side's own distribution. */
    logprob: z.number(),
  }),
  z.object({ type: z.literal('done'), default: z.string(), steered: z.string() }),
  z.object({ type: z.literal('error'), error: z.string() }),
])

export type Intervention = z.infer<typeof Intervention>
export type SteerRequest = z.input<typeof SteerRequest>
export type SteerEvent = z.infer<typeof SteerEvent>
