/** One latent, lists of latents, and the test box. */
import { z } from '@hono/zod-openapi'
import { LatentChip, TokenView } from './common.ts'
import { Label } from './labels.ts'

export const ExampleView = z.object({
  /** 0 top examples; 1.. activation intervals from highest to lowest. */
  interval: z.number(),
  doc: z.number(),
  start: z.number(),
  peak: z.number(),
  pieces: z.array(z.string()),
  values: z.array(z.number()),
})

export const LatentView = LatentChip.extend({
  d_sae: z.number(),
  layer: z.number().optional(),
  n_active: z.number(),
  /** Tokens of the corpus that were counted. */
  n_tokens: z.number(),
  mean_act: z.number(),
  histogram: z.object({ edges: z.array(z.number()), counts: z.array(z.number()) }),
  examples: z.array(ExampleView),
  top_logits: z.array(z.object({ piece: z.string(), effect: z.number() })),
  bottom_logits: z.array(z.object({ piece: z.string(), effect: z.number() })),
  neighbours: z.array(LatentChip.extend({ cosine: z.number() })),
  /** Current ones first, then retired; newest first within each. */
  labels: z.array(Label),
  /** How to load this SAE in Python and in TypeScript. */
  snippets: z.object({ python: z.string(), typescript: z.string() }),
})

export const LatentList = z.object({
  n_total: z.number(),
  latents: z.array(LatentChip.extend({ top_tokens: z.array(z.string()) })),
})

export const LatentSort = z.enum(['index', 'density', 'max_act'])

export const TestRequest = z.object({ text: z.string().min(1).max(20_000) })

export const TestResult = z.object({
  tokens: z.array(TokenView),
  /** [n_tokens]: the latent's activation; 0 at special tokens, which SAEs never read. */
  values: z.array(z.number()),
  /** What was left out and why, in words. */
  left_out: z.array(z.string()).optional(),
})

export type ExampleView = z.infer<typeof ExampleView>
export type LatentView = z.infer<typeof LatentView>
export type LatentList = z.infer<typeof LatentList>
export type LatentSort = z.infer<typeof LatentSort>
export type TestResult = z.infer<typeof TestResult>
