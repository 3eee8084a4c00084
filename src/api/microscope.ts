/** A text through every site. */
import { z } from '@hono/zod-openapi'
import { LatentChip, SaeId, TokenView } from './common.ts'

/**
 * By what a cell's latents are ranked: activation (as a share of the latent's maximum), or the size of the direct effect on
 * the next token that the model predicts (`predicted`) or that follows in the text (`actual`).
 */
export const CellRank = z.enum(['activation', 'predicted', 'actual'])

export const MicroscopeRequest = z.object({
  text: z.string().min(1).max(20_000),
  suite: z.string().optional(),
  /** Only these SAEs of the suite; all of them where absent. */
  saes: z.array(SaeId).max(2000).optional(),
  rank: CellRank.default('activation'),
  /** Strongest latents per cell. */
  top_k: z.number().int().min(1).max(32).default(5),
  /** Leave out latents that fire on more than this share of tokens. */
  max_density: z.number().min(0).max(1).default(0.1),
  /** Read BOS and other special tokens too: SAEs never saw them in training. */
  special: z.boolean().default(false),
})

export const Microscope = z.object({
  rank: CellRank,
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
      /**
       * [n_tokens]: strongest first; empty at special tokens unless asked for. `strength` = act / the latent's own maximum.
       * `effect`, where ranked by it: `act W_dec . (U[v] - mean U) / scale`, in logits of the next token v, through nothing
       * but the final norm (its scale at this token held fixed) and the unembedding.
       */
      cells: z.array(
        z.array(
          z.object({
            index: z.number(),
            act: z.number(),
            strength: z.number().optional(),
            effect: z.number().optional(),
          }),
        ),
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

export const DepthRequest = z.object({
  text: z.string().min(1).max(20_000),
  suite: z.string().optional(),
  /** Position in the text's tokens. */
  token: z.number().int().min(0),
})

/** One token by the logit lens: what would be predicted next if the model ended there. */
export const Depth = z.object({
  token: z.number(),
  /** What enters the first block, then what leaves each. */
  layers: z.array(
    z.object({
      hook: z.string(),
      /** The block just left; absent before the first. */
      layer: z.number().optional(),
      predictions: z.array(z.object({ piece: z.string(), p: z.number() })),
      /** Probability of what the whole model predicts. */
      final_p: z.number(),
      /** Loss of the token that follows, in nats; absent where none does. */
      loss_nats: z.number().optional(),
    }),
  ),
})

export type CellRank = z.infer<typeof CellRank>
export type DepthRequest = z.infer<typeof DepthRequest>
export type Depth = z.infer<typeof Depth>
export type MicroscopeRequest = z.input<typeof MicroscopeRequest>
export type Microscope = z.infer<typeof Microscope>
