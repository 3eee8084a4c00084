/** What every part of the contract speaks of: SAEs, tokens, latents, problems. */
import { z } from '@hono/zod-openapi'

/** `<suite>~<hook>~width_<W>~l0_<K>`: names one SAE in URLs, e.g. `thimble-5m~blocks.3.hook_resid_post~width_2k~l0_32`. */
export const SaeId = z
  .string()
  .regex(/^[^~/\p{Cc}]+~[^~/\p{Cc}]+~width_[^~/\p{Cc}]+~l0_[^~/\p{Cc}]+$/u)

export const Problem = z.object({
  /** What was wrong: found, expected, what to do. */
  error: z.string(),
})

export const TokenView = z.object({
  id: z.number(),
  /** As on the page: leading space kept, newline as U+21B5. */
  piece: z.string(),
  /** BOS, EOS, padding, chat frame: shown, out of statistics. */
  special: z.boolean(),
})

export const LabelMethod = z.enum(['manual', 'lexical', 'llm'])

/** How a latent is named wherever it appears: enough for a chip. */
export const LatentChip = z.object({
  sae: SaeId,
  hook: z.string(),
  index: z.number(),
  /** The label to show (undisputed before disputed, manual before llm before lexical, newest first), absent where there is none yet. */
  label: z.string().optional(),
  label_method: LabelMethod.optional(),
  /** Shown for want of a better one: somebody disputes it, and no more agree than dispute. */
  label_disputed: z.literal(true).optional(),
  density: z.number().optional(),
  max_act: z.number().optional(),
})

export type SaeId = z.infer<typeof SaeId>
export type Problem = z.infer<typeof Problem>
export type TokenView = z.infer<typeof TokenView>
export type LatentChip = z.infer<typeof LatentChip>
export type LabelMethod = z.infer<typeof LabelMethod>
