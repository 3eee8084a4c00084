/** A text through every site. */
import { z } from '@hono/zod-openapi'
import { LatentChip, SaeId, TokenView } from './common.ts'

export const MicroscopeRequest = z.object({
  text: z.string().min(1).max(20_000),
  suite: z.string().optional(),
  /** Strongest latents per cell. */
  top_k: z.number().int().min(1).max(32).default(5),
  /** Leave out latents that fire on more than this share of tokens. */
  max_density: z.number().min(0).max(1).default(0.1),
})

export const Microscope = z.object({
  tokens: z.array(TokenView),
  /** [n_tokens]: loss in nats of predicting this token; absent for the first. */
  token_loss: z.array(z.number().nullable()),
  /** [n_tokens]: what the model predicts next, most probable first. */
  predictions: z.array(z.array(z.object({ piece: z.string(), p: z.number() }))),
  /** One row a site, in the order of the pass; only trained ones, so none while the first is in training. */
  rows: z.array(
    z.object({
      sae: SaeId,
      hook: z.string(),
      layer: z.number().optional(),
      /** [n_tokens]: strongest first; empty at special tokens. `strength` = act / the latent's own maximum. */
      cells: z.array(
        z.array(z.object({ index: z.number(), act: z.number(), strength: z.number().optional() })),
      ),
      /** [n_tokens]: how many latents are active. */
      l0: z.array(z.number()),
      /** [n_tokens]: ||x - recon||^2 / ||x - mean||^2, mean over this text. */
      fvu: z.array(z.number()).optional(),
    }),
  ),
  /** Every latent that appears in a cell, once. */
  latents: z.array(LatentChip),
  /** What was left out and why, in words; e.g. "1 special token", "12 latents denser than 10 %". */
  left_out: z.array(z.string()),
})

export type MicroscopeRequest = z.input<typeof MicroscopeRequest>
export type Microscope = z.infer<typeof Microscope>
