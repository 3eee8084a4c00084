/** The workspace: suites, their SAEs, metrics, self-tests, and the runs that make them. */
import { z } from '@hono/zod-openapi'
import { SaeId } from './common.ts'

export const Metrics = z.object({
  /** Held-out tokens the metrics were measured on. */
  n_tokens: z.number(),
  l0: z.number(),
  fvu: z.number(),
  ce_loss: z.number().optional(),
  delta_ce_loss: z.number().optional(),
  kl: z.number().optional(),
  ce_loss_recovered: z.number().optional(),
  l2_ratio: z.number().optional(),
  relative_reconstruction_bias: z.number().optional(),
  uniformity: z.number().optional(),
  dead: z.number().optional(),
  dead_window_tokens: z.number().optional(),
})

/** The training of one SAE that was stopped while the others went on. */
export const TrainFailure = z.object({
  step: z.number(),
  reason: z.string(),
  /** Steps taken at the checkpoint that is kept of it. */
  last_good_step: z.number().optional(),
})

/** A picture of a suite: `frontier`, `layers`, `density` or `position`. */
export const SuitePlot = z.object({ name: z.string(), title: z.string() })

export const SaeSummary = z.object({
  id: SaeId,
  suite: z.string(),
  hook: z.string(),
  /** Block index; absent outside the blocks. */
  layer: z.number().optional(),
  d_in: z.number(),
  d_sae: z.number(),
  l0_target: z.number().optional(),
  state: z.enum(['waiting', 'training', 'failed', 'trained', 'indexed', 'labelled']),
  /** In state `failed`. */
  failed: TrainFailure.optional(),
  metrics: Metrics.optional(),
  /** log10 density histogram over latents: counts[b] in [edges[b], edges[b+1]). */
  density_histogram: z
    .object({ edges: z.array(z.number()), counts: z.array(z.number()) })
    .optional(),
  n_labelled: z.number(),
})

export const Run = z.object({
  id: z.string(),
  kind: z.enum(['demo', 'capture', 'train', 'evaluate', 'index', 'label', 'score', 'explain']),
  suite: z.string().optional(),
  /** `paused`: between two pieces of work, everything in memory; its `remaining_ms` stands still. */
  state: z.enum(['queued', 'running', 'paused', 'done', 'failed', 'stopped']),
  /** What it is doing now, in words: "training: step 300 of 1200". */
  message: z.string(),
  /** 0 to 1 over the whole run. */
  progress: z.number(),
  remaining_ms: z.number().optional(),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  error: z.string().optional(),
})

/** One measurement of one SAE while it trains, averaged since the last point. */
export const RunPoint = z.object({
  sae: SaeId,
  step: z.number(),
  n_steps: z.number(),
  n_tokens: z.number(),
  /** Mean squared error term in training units (inputs of unit mean square norm). */
  mse: z.number(),
  sparsity_loss: z.number(),
  /** The architecture's auxiliary loss, 0 where it has none; absent in points of earlier versions, like lambda. */
  aux_loss: z.number().optional(),
  /** Coefficient of the sparsity loss. */
  lambda: z.number().optional(),
  l0: z.number(),
  fvu: z.number(),
  /** Share of latents that have not fired within the dead window. */
  dead: z.number(),
  tokens_per_s: z.number(),
})

/** What made a suite, for comparison with others. */
export const SuiteOrigin = z.object({
  name: z.string(),
  /** ISO 8601; absent like all below where the suite has no suite.json. */
  created: z.string().optional(),
  /** What its training was asked for and on what, as `path.in.suite` -> value. Only what was set: the rest are defaults. */
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
})

/** Whether an SAE does on its model what its release says (self_test.json). */
export const SelfTest = z.object({
  sae: SaeId,
  /** As claimed, off, or wrong. */
  badge: z.enum(['green', 'amber', 'red']),
  l0: z.number(),
  claimed_l0: z.number().optional(),
  fvu: z.number().optional(),
  claimed_fvu: z.number().optional(),
  ce_loss: z.number().optional(),
  delta_ce_loss: z.number().optional(),
  claimed_delta_ce_loss: z.number().optional(),
  /** Where the claims stand: `metrics.json`, `the folder's name`. */
  claims_from: z.string().optional(),
  n_tokens: z.number(),
  n_excluded: z.number(),
  /** What would make it fit, best first: "fits far better at blocks.3.hook_resid_post: L0 29, FVU 0.100 instead of …". */
  causes: z.array(z.string()),
  notes: z.array(z.string()),
  /** The model it was tested on, in which precision, and the version that did. */
  model: z.string(),
  model_weights: z.string(),
  version: z.string(),
})

export const Workspace = z.object({
  version: z.string(),
  model: z
    .object({
      name: z.string(),
      n_layers: z.number(),
      d_model: z.number(),
      d_vocab: z.number(),
      n_ctx: z.number(),
      n_params: z.number().optional(),
      /** Whether it has a chat template; absent where it has none. */
      chat: z.literal(true).optional(),
    })
    .optional(),
  suites: z.array(z.object({ name: z.string(), saes: z.array(SaeSummary) })),
  runs: z.array(Run),
  /** A sentence that reads well in the microscope, from the corpus or the program's own. */
  sample_text: z.string(),
})

export type Metrics = z.infer<typeof Metrics>
export type SaeSummary = z.infer<typeof SaeSummary>
export type Run = z.infer<typeof Run>
export type RunPoint = z.infer<typeof RunPoint>
export type TrainFailure = z.infer<typeof TrainFailure>
export type SelfTest = z.infer<typeof SelfTest>
export type SuitePlot = z.infer<typeof SuitePlot>
export type SuiteOrigin = z.infer<typeof SuiteOrigin>
export type Workspace = z.infer<typeof Workspace>
