/**
 * The HTTP contract: what the server answers and the page reads. Schemas only; routes are in `routes/`.
 *
 *   GET    /api/workspace                           Workspace
 *   GET    /api/events                              server-sent events, each an Event
 *   POST   /api/microscope        MicroscopeRequest  Microscope
 *   GET    /api/saes/:sae/latents?sort&order&offset&limit   LatentList
 *   GET    /api/saes/:sae/latents/:index            LatentView
 *   POST   /api/saes/:sae/latents/:index/test       TestRequest -> TestResult
 *   POST   /api/saes/:sae/latents/:index/labels     NewLabel -> Label
 *   DELETE /api/labels/:id                          Label (retired, kept as history)
 *   GET    /api/search?q&sae&kind&limit&offset      SearchResult
 *   POST   /api/steer             SteerRequest       server-sent events, each a SteerEvent
 *   GET    /api/runs                                Run[]
 *   GET    /api/runs/:id/points                     RunPoint[]
 *   POST   /api/runs/:id/pause                      Run (paused, or ended meanwhile)
 *   POST   /api/runs/:id/continue                   Run (a new one for one that was stopped or failed)
 *   POST   /api/runs/:id/stop                       Run
 *   GET    /api/suites/:suite                       SuiteOrigin
 *   GET    /api/suites/:suite/points                RunPoint[] of all its runs
 *   GET    /api/suites/:suite/self-tests            SelfTest[] of the SAEs that were tested
 *   GET    /api/suites/:suite/plots                 SuitePlot[], those that there are numbers for
 *   GET    /api/suites/:suite/plots/:name.svg       the picture, image/svg+xml
 *   GET    /api/openapi.json
 *
 * Errors are Problem with a 4xx or 5xx status. A number that could not be computed is absent, never zero.
 */
import { z } from '@hono/zod-openapi'

/** `<suite>~<hook>~width_<W>~l0_<K>`: names one SAE in URLs, e.g. `thimble-5m~blocks.3.hook_resid_post~width_2k~l0_32`. */
export const SaeId = z
  .string()
  .regex(/^[^~/\p{Cc}]+~[^~/\p{Cc}]+~width_[^~/\p{Cc}]+~l0_[^~/\p{Cc}]+$/u)

export const Problem = z.object({
  /** What was wrong: found, expected, what to do. */
  error: z.string(),
})

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
  kind: z.enum(['demo', 'capture', 'train', 'evaluate', 'index', 'label']),
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
    })
    .optional(),
  suites: z.array(z.object({ name: z.string(), saes: z.array(SaeSummary) })),
  runs: z.array(Run),
  /** A sentence that reads well in the microscope, from the corpus or the program's own. */
  sample_text: z.string(),
})

export const TokenView = z.object({
  id: z.number(),
  /** As on the page: leading space kept, newline as U+21B5. */
  piece: z.string(),
  /** BOS, EOS, padding, chat frame: shown, out of statistics. */
  special: z.boolean(),
})

export const LabelMethod = z.enum(['manual', 'lexical', 'llm'])

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

/** How a latent is named wherever it appears: enough for a chip. */
export const LatentChip = z.object({
  sae: SaeId,
  hook: z.string(),
  index: z.number(),
  /** The label to show (manual before llm before lexical, newest first), absent where there is none yet. */
  label: z.string().optional(),
  label_method: LabelMethod.optional(),
  density: z.number().optional(),
  max_act: z.number().optional(),
})

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

export const NewLabel = z.object({
  text: z.string().trim().min(1).max(500),
  author: z.string().trim().min(1).max(100).default('me'),
})

export const SearchKind = z.enum(['all', 'label', 'token', 'logit'])
export const SearchResult = z.object({
  n_total: z.number(),
  took_ms: z.number(),
  hits: z.array(
    LatentChip.extend({
      matched: z.enum(['label', 'token', 'logit']),
      /** The label or the tokens that matched. */
      snippet: z.string(),
      rank: z.number(),
    }),
  ),
})

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

export const Event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('run'), run: Run }),
  z.object({ type: z.literal('points'), run: z.string(), points: z.array(RunPoint) }),
  /** Something the workspace shows has changed: fetch it again. */
  z.object({ type: z.literal('changed'), what: z.enum(['workspace', 'labels', 'latents']) }),
])

export type SaeId = z.infer<typeof SaeId>
export type Problem = z.infer<typeof Problem>
export type Metrics = z.infer<typeof Metrics>
export type SaeSummary = z.infer<typeof SaeSummary>
export type Run = z.infer<typeof Run>
export type RunPoint = z.infer<typeof RunPoint>
export type TrainFailure = z.infer<typeof TrainFailure>
export type SelfTest = z.infer<typeof SelfTest>
export type SuiteOrigin = z.infer<typeof SuiteOrigin>
export type Workspace = z.infer<typeof Workspace>
export type TokenView = z.infer<typeof TokenView>
export type LabelView = z.infer<typeof Label>
export type LabelMethod = z.infer<typeof LabelMethod>
export type LatentChip = z.infer<typeof LatentChip>
export type MicroscopeRequest = z.input<typeof MicroscopeRequest>
export type Microscope = z.infer<typeof Microscope>
export type ExampleView = z.infer<typeof ExampleView>
export type LatentView = z.infer<typeof LatentView>
export type LatentList = z.infer<typeof LatentList>
export type TestResult = z.infer<typeof TestResult>
export type NewLabel = z.input<typeof NewLabel>
export type SearchKind = z.infer<typeof SearchKind>
export type SearchResult = z.infer<typeof SearchResult>
export type Intervention = z.infer<typeof Intervention>
export type SteerRequest = z.input<typeof SteerRequest>
export type SteerEvent = z.infer<typeof SteerEvent>
export type Event = z.infer<typeof Event>
