/** What a model family is: how its config.json reads, which tensors it has, and its graphs. One file a family in architectures/. */

import type { OnnxGraph, OnnxValue } from '../formats/index.ts'
import type { ModelConfig } from './types.ts'

/** A graph under construction that can refer to the checkpoint's weights by their names there. */
export type WeightedGraph = OnnxGraph & {
  /** The weight as float32, whatever its dtype on disk. */
  weight(name: string): OnnxValue
  /** Rows of a matrix as float32, gathered in its dtype on disk: the matrix itself is never widened. */
  rows(name: string, indices: OnnxValue): OnnxValue
}

/**
 * One family of language models. The graphs meet at fixed names and shapes; m = n_seqs * seq_len, p = past length:
 *
 * | graph | inputs | outputs |
 * |---|---|---|
 * | embed | ids I32 [m] | hook_embed [m, d_model] |
 * | attn  | resid_pre [n, s, d_model], past_k, past_v [n, n_kv_heads, p, d_head], last_key I32 [n], n_keys I32 [1], start I64 [1], cos, sin [n_ctx, d_head / 2] | z [n, s, n_heads * d_head], new_k, new_v [n, s, n_kv_heads * d_head] |
 * | mlp   | resid_pre [m, d_model], z [m, n_heads * d_head] | attn_out, resid_mid, mlp_out, resid_post, each [m, d_model] |
 * | head  | normalized [m, d_model]: the final residual over its root mean square, before the gain | none: its logits [m, d_vocab] are returned |
 */
export type Architecture = {
  /** @throws FormatError naming the field, what was found and what is supported. */
  parseConfig(path: string, json: unknown): ModelConfig
  /** Every tensor the checkpoint must hold, with its shape. */
  tensors(config: ModelConfig): Map<string, readonly number[]>
  embed(graph: WeightedGraph, config: ModelConfig): void
  attn(graph: WeightedGraph, config: ModelConfig, layer: number): void
  mlp(graph: WeightedGraph, config: ModelConfig, layer: number): void
  /** @returns the logits; the network makes them an output and computes losses from them. */
  head(graph: WeightedGraph, config: ModelConfig): OnnxValue
  readonly embedding: string
  /** The final norm's weight w; its gain is 1 + w. */
  readonly final_norm: string
}
