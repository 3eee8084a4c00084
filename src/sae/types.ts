/** The sparse autoencoder as plain data. */

import type { HookName } from '../model/index.ts'

/** A trained dictionary. It takes raw activations: scale and pre-encoder bias are folded into its weights. */
export type Sae = {
  readonly architecture: 'jumprelu'
  /** The site it reads and rewrites. */
  readonly hook_name: HookName
  readonly d_in: number
  readonly d_sae: number
  /** [d_in, d_sae] */
  readonly W_enc: Float32Array
  /** [d_sae] */
  readonly b_enc: Float32Array
  /** [d_sae, d_in], rows of unit norm */
  readonly W_dec: Float32Array
  /** [d_in] */
  readonly b_dec: Float32Array
  /** [d_sae], >= 0 */
  readonly threshold: Float32Array
  /** Whence it came: model name and hash, data, seed, config, version; free-form JSON. */
  readonly metadata: Readonly<Record<string, unknown>>
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

/** The fast path of encode and decode for one SAE (ONNX Runtime product, then a scan). */
export interface SaeRunner {
  readonly sae: Sae
  /** acts of x [n, d_in]. */
  encode(x: Float32Array): Promise<SparseActs>
  /** recon [n, d_in] = acts W_dec + b_dec. */
  decode(acts: SparseActs): Float32Array
  close(): Promise<void>
}
