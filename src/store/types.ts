/** What the database holds, as plain data. Field names are those of the HTTP contract. */
import type { Label } from '../label/index.ts'
import type { TrainFailure, TrainPoint } from '../train/index.ts'

/** `<suite>~<hook>~width_<W>~l0_<K>`: names one SAE everywhere in the database. */
export type SaeId = string

export type SaeState = 'waiting' | 'training' | 'failed' | 'trained' | 'indexed' | 'labelled'

/** Measured on held-out text; a number that could not be computed is absent. */
export type SaeMetrics = {
  readonly n_tokens: number
  readonly l0: number
  readonly fvu: number
  readonly ce_loss?: number | undefined
  readonly delta_ce_loss?: number | undefined
  readonly kl?: number | undefined
  readonly ce_loss_recovered?: number | undefined
  readonly l2_ratio?: number | undefined
  readonly relative_reconstruction_bias?: number | undefined
  readonly uniformity?: number | undefined
  readonly dead?: number | undefined
  readonly dead_window_tokens?: number | undefined
}

/** counts[b] latents have log10 density in [edges[b], edges[b + 1]). */
export type DensityHistogram = { readonly edges: number[]; readonly counts: number[] }

/** One SAE as it is entered. */
export type SaeEntry = {
  readonly id: SaeId
  readonly suite: string
  readonly hook: string
  /** Block index; absent outside the blocks. */
  readonly layer?: number | undefined
  readonly d_in: number
  readonly d_sae: number
  readonly l0_target?: number | undefined
}

/** One SAE with what was measured of it. */
export type Sae = SaeEntry & {
  readonly state: SaeState
  /** Why its training was stopped; in state `failed` only. */
  readonly failed?: TrainFailure
  readonly metrics?: SaeMetrics
  readonly density_histogram?: DensityHistogram
}

/** And how many of its latents are labelled, for which its labels are counted. */
export type SaeSummary = Sae & {
  /** Latents that carry at least one label in force. */
  readonly n_labelled: number
}

export type Suite = { readonly name: string; readonly saes: SaeSummary[] }

/** What is kept of one latent for lists, chips and search; the full record stays in latents.safetensors. */
export type LatentEntry = {
  readonly index: number
  /** Fraction of counted tokens on which it fires. */
  readonly density: number
  readonly n_active: number
  readonly max_act: number
  readonly mean_act: number
  /** The peak token of each top example, strongest first. Repeats are wanted: their count ranks the latent in token search. */
  readonly top_tokens: readonly string[]
  /** Output tokens that it raises, strongest first. */
  readonly top_logits: readonly string[]
}

export type LabelMethod = Label['method']

/** How a latent is named wherever it appears. */
export type LatentChip = {
  readonly sae: SaeId
  readonly hook: string
  readonly index: number
  /** The label to show: undisputed before disputed, manual before llm before lexical, newest first; absent where there is none. */
  readonly label?: string
  readonly label_method?: LabelMethod
  /** Shown for want of a better one: as many votes are against it as for it, or more. */
  readonly label_disputed?: true
  readonly density?: number
  readonly max_act?: number
}

export type LatentSort = 'index' | 'density' | 'max_act'

/** A label as kept: a claim about one latent of one SAE. */
export type StoredLabel = Omit<Label, 'hook'> & {
  readonly sae: SaeId
  /** The label by the same method and author that it took the place of. */
  readonly replaces?: number
  /** One an author; absent where there is none, or where they were not asked for. */
  readonly votes?: Vote[]
  /** Somebody disputes it, and no more agree than dispute. */
  readonly disputed?: true
}

/** What somebody thinks of a label. */
export type Vote = { readonly author: string; readonly agrees: boolean }

/** A label to be entered. */
export type LabelEntry = {
  readonly sae: SaeId
  readonly latent: number
  readonly text: string
  readonly method: LabelMethod
  readonly author: string
  readonly evidence: string
  readonly score?: number | undefined
  readonly score_method?: string | undefined
  /** ISO 8601; now where it is absent. */
  readonly created_at?: string | undefined
}

export type RunKind =
  | 'demo'
  | 'capture'
  | 'train'
  | 'evaluate'
  | 'index'
  | 'label'
  | 'score'
  | 'explain'
/** `paused` is under way too: its thread waits between two pieces of work, everything in memory. */
export type RunState = 'queued' | 'running' | 'paused' | 'done' | 'failed' | 'stopped'

/** One piece of long work, from its order to its end. */
export type Run = {
  readonly id: string
  readonly kind: RunKind
  readonly suite?: string
  readonly state: RunState
  /** What it is doing now, in words. */
  readonly message: string
  /** 0 to 1 over the whole run. */
  readonly progress: number
  readonly remaining_ms?: number
  /** ISO 8601 */
  readonly started_at?: string
  readonly ended_at?: string
  readonly error?: string
}

/** One measurement of one SAE while it trains, averaged since the last point. */
export type RunPoint = Omit<TrainPoint, 'hook' | 'd_sae' | 'l0_target' | 'aux_loss' | 'lambda'> & {
  readonly sae: SaeId
  /** Absent where an earlier version of Hooke measured it. */
  readonly aux_loss?: number
  readonly lambda?: number
}
