/** What a model family is: how its config.json reads, and which weights it has. One file a family in architectures/. */

import type { ModelConfig } from './types.ts'

/** A weight as the graphs use it, and where it lies in the checkpoint. Matrices are [d_out, d_in]: `y = x W^T`. */
export type WeightSpec = {
  /** Its name in the checkpoint, in the family's own naming (see `Architecture.canonical`). */
  readonly tensor: string
  /** The weight's shape, turned and with its rows gathered. */
  readonly shape: readonly [number] | readonly [number, number]
  /** The checkpoint holds [d_in, d_out] (GPT-2's Conv1D). */
  readonly transposed?: true
  /**
   * W's rows among the tensor's (its columns where it is transposed), as [first, count] runs joined in order: a fused
   * projection. Default all.
   */
  readonly rows?: readonly (readonly [number, number])[]
  /** Added on load: 1 for Gemma's norm gains. */
  readonly plus?: number
}

/** A block's weights: norms before and after, projections, biases (`_b`). */
export type BlockPart =
  | 'ln1'
  | 'ln1_b'
  | 'q'
  | 'q_b'
  | 'k'
  | 'k_b'
  | 'v'
  | 'v_b'
  | 'q_norm'
  | 'k_norm'
  | 'o'
  | 'o_b'
  | 'ln1_post'
  | 'ln2'
  | 'ln2_b'
  | 'gate'
  | 'gate_b'
  | 'up'
  | 'up_b'
  | 'down'
  | 'down_b'
  | 'ln2_post'

/** Absent parts are absent in the model: no `gate` is a plain MLP, no `ln1_post` no norm after attention. */
export type BlockWeights = Readonly<Partial<Record<BlockPart, WeightSpec>>>

export type ModelWeights = {
  /** [d_vocab, d_model], before `embed_scale`. */
  readonly embed: WeightSpec
  /** Learned positions [n_ctx, d_model], added after `hook_embed`. */
  readonly pos?: WeightSpec
  readonly final_norm: WeightSpec
  readonly final_norm_b?: WeightSpec
  /** [d_vocab, d_model]; the same object as `embed` where they are tied, so that it is held once. */
  readonly unembed: WeightSpec
  readonly blocks: readonly BlockWeights[]
}

/** One family of language models. */
export type Architecture = {
  /** @throws FormatError naming the field, what was found and what is supported. */
  parseConfig(path: string, json: unknown): ModelConfig
  weights(config: ModelConfig): ModelWeights
  /** A checkpoint's name for a tensor in the naming of `weights`: some checkpoints put a prefix in front, or leave it out. */
  canonical?(tensor: string): string
  /** Tensors (by canonical name) that say nothing: buffers, a vision tower, an unembedding that is tied. */
  ignores?(tensor: string, config: ModelConfig): boolean
}

/** A model as its config.json describes it. */
export type Described = {
  readonly config: ModelConfig
  readonly weights: ModelWeights
  /** A checkpoint's name for a tensor in the naming of `weights`. */
  canonical(tensor: string): string
  /** Whether a tensor (by canonical name) says nothing. */
  ignores(tensor: string): boolean
}
