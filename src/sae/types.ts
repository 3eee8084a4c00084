/** The sparse autoencoder, and the transcoder, as plain data. */

import type { HookName } from '../model/index.ts'

/** A trained dictionary. It takes raw activations: scale and pre-encoder bias are folded into its weights. */
export type Sae = {
  /** Which pre-activations become activations: `jumprelu.ts`, `topk.ts`. */
  readonly architecture: 'jumprelu' | 'topk'
  /** The site it reads. */
  readonly hook_name: HookName
  readonly d_in: number
  readonly d_sae: number
  /** [d_in, d_sae] */
  readonly W_enc: Float32Array
  /** [d_sae] */
  readonly b_enc: Float32Array
  /** [d_sae, d_out], rows of unit norm; d_out is d_in unless it is a transcoder */
  readonly W_dec: Float32Array
  /** [d_out] */
  readonly b_dec: Float32Array
  /** [d_sae], >= 0; all 0 for topk */
  readonly threshold: Float32Array
  /** topk only: how many latents a token keeps, of those above 0; all that tie with the last are kept too. */
  readonly k?: number
  /** Present where it writes another site than it reads. */
  readonly transcoder?: Transcoder
  /** Whence it came: model name and hash, data, seed, config, version; free-form JSON. */
  readonly metadata: Readonly<Record<string, unknown>>
}

/** The output of a transcoder: `recon = acts W_dec + b_dec + x W_skip` stands for the activation at `hook_name_out`. */
export type Transcoder = {
  readonly hook_name_out: HookName
  readonly d_out: number
  /** [d_in, d_out]; no such term where absent */
  readonly W_skip?: Float32Array
}

/** Latent activations of n tokens in compressed rows: never a dense [n, d_sae] array. */
export type SparseActs = {
  readonly n: number
  readonly d_sae: number
  /** [n + 1]: token t owns entries row_start[t] .. row_start[t + 1]. */
  readonly row_start: Int32Array
  /** [nnz]: latent of each entry, ascending within a row. */
  readonly index: Int32Array
  /** [nnz]: its activation, > threshold. */
  readonly value: Float32Array
}

/** The fast path of encode and decode for one SAE (ONNX Runtime products, then a scan). */
export interface SaeRunner {
  readonly sae: Sae
  /** acts of x [n, d_in]. */
  encode(x: Float32Array): Promise<SparseActs>
  /**
   * recon [n, d_out] = acts W_dec + b_dec (+ x W_skip).
   * @param x [n, d_in], what `acts` were encoded from; needed only by a transcoder with W_skip.
   * @throws RangeError if W_skip needs an x that is absent or of another size.
   */
  decode(acts: SparseActs, x?: Float32Array): Promise<Float32Array>
  close(): Promise<void>
}
