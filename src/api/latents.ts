/** One latent, lists of latents, and the test box. */
import { z } from '@hono/zod-openapi'
import { LatentChip, TokenView } from './common.ts'
import { Label, LabelScore } from './labels.ts'

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
  /**
   * Where in documents it fires, in bins that widen: n_active of the n_tokens counted at positions start to end - 1 (BOS lies
   * at 0). Absent in indexes of earlier versions.
   */
  positions: z
    .array(
      z.object({
        start: z.number(),
        end: z.number(),
        n_active: z.number(),
        n_tokens: z.number(),
      }),
    )
    .optional(),
  histogram: z.object({ edges: z.array(z.number()), counts: z.array(z.number()) }),
  /**
   * The activation intervals of its examples, the strongest first: `from` up to, but not including, `to`; absent counts could not
   * be told.
   */
  intervals: z.array(
    z.object({
      interval: z.number(),
      from: z.number(),
      to: z.number(),
      n_active: z.number().optional(),
    }),
  ),
  examples: z.array(ExampleView),
  top_logits: z.array(z.object({ piece: z.string(), effect: z.number() })),
  bottom_logits: z.array(z.object({ piece: z.string(), effect: z.number() })),
  neighbours: z.array(LatentChip.extend({ cosine: z.number() })),
  /** Current ones first, then retired; newest first within each. */
  labels: z.array(Label),
  /** Tests of its labels; absent where none was tested. */
  label_scores: z.array(LabelScore).optional(),
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

/** Latents whose decoder directions are near, followed from layer to layer; the one asked for comes first. */
export const LatentFamily = z.object({
  members: z.array(LatentChip.extend({ layer: z.number().optional() })),
  /** `from` and `to` are places in `members`. */
  edges: z.array(z.object({ from: z.number(), to: z.number(), cosine: z.number() })),
  /** Pairs below it are left out. */
  min_cosine: z.number(),
})

/** How a latent's logit effects spread over the vocabulary; `absent` says why there are none. */
export const EffectHistogram = z.object({
  histogram: z
    .object({
      edges: z.array(z.number()),
      counts: z.array(z.number()),
      standard_deviation: z.number(),
    })
    .optional(),
  absent: z.string().optional(),
})

const LossChange = z.object({
  /** Nats, ablated less plain. */
  mean: z.number(),
  /** Absent for a single example. */
  standard_error: z.number().optional(),
  /** Examples that count. */
  n: z.number(),
})

/** A latent's stored examples run again. */
export const ExampleRun = z.object({
  n_examples: z.number(),
  n_tokens: z.number(),
  /** Tokens of the examples on which it is on. */
  n_active: z.number(),
  /** Examples whose peak still fires: the text before their window is gone. */
  n_peaks_on: z.number(),
  /** Latents of the same SAE that are on where it is, by `nats` = share ln(lift). */
  companions: z.array(
    LatentChip.extend({
      /** Tokens on which both are on. */
      n_both: z.number(),
      /** n_both / n_active. */
      share: z.number(),
      /** share / the other's density in the corpus. */
      lift: z.number(),
      nats: z.number(),
    }),
  ),
  /** What ablating it does to the next-token loss at the peak, and in the mean of the tokens after it. */
  ablation: z
    .object({ at_peak: LossChange.optional(), after_peak: LossChange.optional() })
    .optional(),
  ablation_absent: z.string().optional(),
})

export type LatentFamily = z.infer<typeof LatentFamily>
export type EffectHistogram = z.infer<typeof EffectHistogram>
export type ExampleRun = z.infer<typeof ExampleRun>
export type ExampleView = z.infer<typeof ExampleView>
export type LatentView = z.infer<typeof LatentView>
export type LatentList = z.infer<typeof LatentList>
export type LatentSort = z.infer<typeof LatentSort>
export type TestResult = z.infer<typeof TestResult>
