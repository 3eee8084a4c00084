/** What tells one architecture from another. Everything else (products, sparse kernels, optimiser, shards) they share. */

/** A trained dictionary in training units, rows as the kernels hold them. */
type TrainedRows = {
  /** [d_sae, d_in]: transposed, a row for a latent. */
  readonly W_enc: Float32Array
  readonly b_enc: Float32Array
  /** jumprelu: what it learned. */
  readonly threshold: Float32Array
  /** gated: log of the factor between gate and magnitude. */
  readonly r_mag: Float32Array
  /** gated: bias of the magnitude. */
  readonly b_mag: Float32Array
}

/** The encoder as it is saved: `acts = pre_acts * (pre_acts > threshold)`, or the k largest. */
type SavedEncoder = Pick<TrainedRows, 'W_enc' | 'b_enc' | 'threshold'> & {
  readonly architecture: 'jumprelu' | 'topk'
}

export type Architecture = {
  readonly name: string
  /**
   * How the active latents of a batch are told: each by its own threshold, the k largest of each token, or the k n largest of
   * the n tokens of the batch.
   */
  readonly selection: 'threshold' | 'token' | 'batch'
  /** Whether thresholds have a gradient, by a rectangle kernel. */
  readonly learns_threshold: boolean
  /** Whether active latents pay lambda for their activation. */
  readonly pays_activation: boolean
  /** Whether a gate decides and a tied magnitude gives the activation. */
  readonly gated: boolean
  /** Whether dead latents learn the error that is left (AuxK). */
  readonly aux: boolean
  /** Whether prefixes of the dictionary reconstruct on their own. */
  readonly nested: boolean
  /** Coefficient of the sparsity loss unless the recipe names one. */
  readonly lambda: number
  /**
   * The encoder of the finished SAE, exactly equal to the trained one in what it activates.
   * @param scalar_threshold running mean of the batch's threshold, where the selection is by batch.
   */
  save(rows: TrainedRows, scalar_threshold: number): SavedEncoder
}
