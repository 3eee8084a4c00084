/** From training units to raw activations. */

export type TrainedParameters = {
  /** [d_sae, d_in]: transposed, as the kernels hold it. */
  readonly W_enc: Float32Array
  readonly b_enc: Float32Array
  /** [d_sae, d_out] */
  readonly W_dec: Float32Array
  /** [d_out] */
  readonly b_dec: Float32Array
  readonly threshold: Float32Array
}

/**
 * Folds the input scale C and the pre-encoder bias, so that the dictionary takes raw activations and W_dec keeps unit rows:
 * `threshold' = C threshold`, `b_dec' = C b_dec`, `b_enc' = C b_enc - C b_dec W_enc`; a transcoder has no pre-encoder bias, so
 * there `b_enc' = C b_enc`. A skip stays as it is: input and target have one scale.
 * @param norm C: sqrt of the mean squared norm of raw inputs.
 * @returns W_enc [d_in, d_sae], b_enc, threshold [d_sae], W_dec [d_sae, d_out], b_dec [d_out].
 * Source: arXiv:2408.05147, appendix A.
 */
export function foldScale(
  trained: TrainedParameters,
  norm: number,
  { input_bias }: { readonly input_bias: boolean },
): Record<'W_enc' | 'b_enc' | 'W_dec' | 'b_dec' | 'threshold', Float32Array> {
  const d_sae = trained.b_enc.length
  const d_in = trained.W_enc.length / d_sae
  const W_enc = new Float32Array(d_in * d_sae)
  const b_enc = new Float32Array(d_sae)
  for (let i = 0; i < d_sae; i++) {
    let shift = 0
    for (let k = 0; k < d_in; k++) {
      const w = trained.W_enc[i * d_in + k]!
      W_enc[k * d_sae + i] = w
      if (input_bias) shift += trained.b_dec[k]! * w
    }
    b_enc[i] = norm * (trained.b_enc[i]! - shift)
  }
  return {
    W_enc,
    b_enc,
    W_dec: trained.W_dec,
    b_dec: trained.b_dec.map((v) => v * norm),
    threshold: trained.threshold.map((v) => v * norm),
  }
}
