/** What a latent does, measured over a corpus. */

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
  readonly examples: readonly LatentExample[]
  /** Output tokens that the decoder direction raises most, effect in logits per unit of activation. */
  readonly top_logits: readonly { id: number; effect: number }[]
  readonly bottom_logits: readonly { id: number; effect: number }[]
  /** Latents with the nearest decoder directions, in this and the other sites of the suite. */
  readonly neighbours: readonly { hook: string; index: number; cosine: number }[]
}
