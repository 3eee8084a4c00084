/** What a latent does, measured over a corpus. */

import type { HookName } from '../model/index.ts'
import type { PositionCount } from './positions.ts'

/** One stretch of text around a token where a latent fires. */
export type LatentExample = {
  /** 0 for the top examples, 1.. for activation intervals from highest to lowest. */
  readonly interval: number
  readonly doc: number
  /** Position of values[0] in its document. */
  readonly start: number
  /** Position of the example's peak within `ids`. */
  readonly peak: number
  /** [window] token ids */
  readonly ids: Int32Array
  /** [window] activation at each token, 0 where off */
  readonly values: Float32Array
}

/** All that is measured about one latent. */
export type LatentRecord = {
  readonly index: number
  /** Fraction of counted tokens on which it fires. */
  readonly density: number
  /** Number of counted tokens on which it fires. */
  readonly n_active: number
  readonly max_act: number
  readonly mean_act: number
  /** counts[b] activations in [edges[b], edges[b + 1]). */
  readonly histogram: { readonly edges: readonly number[]; readonly counts: readonly number[] }
  /** Where in documents it fires; absent in indexes of earlier versions. */
  readonly positions?: readonly PositionCount[]
  readonly examples: readonly LatentExample[]
  /** Output tokens that the decoder direction raises most, effect in logits per unit of activation. */
  readonly top_logits: readonly { id: number; effect: number }[]
  readonly bottom_logits: readonly { id: number; effect: number }[]
  /** Latents with the nearest decoder directions, in this site first, then in the other sites of the suite. */
  readonly neighbours: readonly { hook: string; index: number; cosine: number }[]
}

/** What an index was made from, and how. */
export type LatentIndexInfo = {
  readonly hook: HookName
  readonly d_sae: number
  /** Tokens of the corpus that were counted. */
  readonly n_tokens: number
  /** Special tokens among them that were left out. */
  readonly n_excluded: number
  readonly model: string
  readonly model_hash: string
  readonly corpus_hash: string
  /** Tokens shown on each side of a peak. */
  readonly context: number
  readonly n_intervals: number
  readonly seed: number
  /** Why there are no logit effects; absent where there are. */
  readonly logits_absent?: string
  /** Hooks that `neighbour_site` points into. */
  readonly sites: readonly HookName[]
}

/**
 * The measurements of all latents of one SAE as flat arrays; n is their number of examples. `latentRecord` puts one latent's
 * together.
 */
export type LatentColumns = {
  /** [d_sae] */
  readonly n_active: Int32Array
  /** [d_sae] */
  readonly max_act: Float32Array
  /** [d_sae] mean over the tokens on which it fires, 0 where it never does */
  readonly mean_act: Float32Array
  /** [d_sae, N_BINS] counts of equal bins from 0 to the least power of two above max_act */
  readonly histogram: Int32Array
  /** [d_sae, N_POSITION_BINS] activations by position in the document; absent, as the next, in indexes of earlier versions */
  readonly position?: Int32Array
  /** [N_POSITION_BINS] tokens counted at those positions */
  readonly position_tokens?: Int32Array
  /** [d_sae, N_TOP_TOKENS] tokens at the peaks of the top examples, most frequent first; -1 where there are fewer */
  readonly top_token_id: Int32Array
  /** [d_sae, N_TOP_TOKENS] */
  readonly top_token_count: Int32Array
  /** [d_sae, N_LOGITS]; -1 where there are fewer or none */
  readonly top_logit_id: Int32Array
  readonly top_logit_effect: Float32Array
  readonly bottom_logit_id: Int32Array
  readonly bottom_logit_effect: Float32Array
  /** [d_sae, N_NEIGHBOURS] index into `sites`; -1 where there are fewer */
  readonly neighbour_site: Int32Array
  readonly neighbour_index: Int32Array
  readonly neighbour_cosine: Float32Array
  /** [d_sae + 1]: latent i owns examples example_first[i] .. example_first[i + 1] */
  readonly example_first: Int32Array
  /** [n] as in LatentExample */
  readonly example_interval: Int32Array
  readonly example_doc: Int32Array
  readonly example_start: Int32Array
  readonly example_peak: Int32Array
  /** [n + 1]: example e owns ids[ids_first[e] .. ids_first[e + 1]] */
  readonly ids_first: Int32Array
  readonly ids: Int32Array
  /** [n + 1]: example e owns active tokens active_first[e] .. active_first[e + 1] */
  readonly active_first: Int32Array
  /** Position of each active token within its example's ids. */
  readonly active_at: Int32Array
  readonly active_value: Float32Array
}

/** All that is measured about the latents of one SAE. */
export type LatentIndex = {
  readonly info: LatentIndexInfo
  readonly columns: LatentColumns
}
