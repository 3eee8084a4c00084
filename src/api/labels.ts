/** Labels: claims about latents. */
import { z } from '@hono/zod-openapi'
import { LabelMethod, SaeId } from './common.ts'

export const Label = z.object({
  id: z.number(),
  sae: SaeId,
  latent: z.number(),
  text: z.string(),
  method: LabelMethod,
  author: z.string(),
  created_at: z.string(),
  evidence: z.string(),
  score: z.number().optional(),
  score_method: z.string().optional(),
  retired_at: z.string().optional(),
})

export const NewLabel = z.object({
  text: z.string().trim().min(1).max(500),
  author: z.string().trim().min(1).max(100).default('me'),
})

export type LabelView = z.infer<typeof Label>
export type NewLabel = z.input<typeof NewLabel>
