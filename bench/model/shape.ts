/** The shapes that the model bench runs at: Gemma 2's, as data. */

/** Sizes of a Gemma 2 checkpoint; no biases, tied embedding. */
export type Shape = {
  readonly n_layers: number
  readonly d_model: number
  readonly d_mlp: number
  readonly d_head: number
  readonly n_heads: number
  readonly n_kv_heads: number
  readonly d_vocab: number
  readonly n_ctx: number
  readonly sliding_window: number
}

/** `2b` and `9b` are the released sizes; `tiny` is for trying the bench out. */
export const SHAPES = {
  '2b': {
    n_layers: 26,
    d_model: 2304,
    d_mlp: 9216,
    d_head: 256,
    n_heads: 8,
    n_kv_heads: 4,
    d_vocab: 256_000,
    n_ctx: 8192,
    sliding_window: 4096,
  },
  '9b': {
    n_layers: 42,
    d_model: 3584,
    d_mlp: 14336,
    d_head: 256,
    n_heads: 16,
    n_kv_heads: 8,
    d_vocab: 256_000,
    n_ctx: 8192,
    sliding_window: 4096,
  },
  tiny: {
    n_layers: 4,
    d_model: 512,
    d_mlp: 1024,
    d_head: 64,
    n_heads: 8,
    n_kv_heads: 4,
    d_vocab: 8000,
    n_ctx: 8192,
    sliding_window: 64,
  },
} as const satisfies Readonly<Record<string, Shape>>

export type ShapeName = keyof typeof SHAPES

/** How far a norm's gain and the final logits reach; the same in every size. */
export const RMS_EPS = 1e-6
export const ROPE_THETA = 10_000
export const ATTN_SOFTCAP = 50
export const FINAL_SOFTCAP = 30

/** A block's matrices as [d_out, d_in], by their part of the tensor's name. */
export function blockMatrices(shape: Shape): Readonly<Record<string, readonly [number, number]>> {
  const { d_model, d_mlp, d_head, n_heads, n_kv_heads } = shape
  return {
    'self_attn.q_proj': [n_heads * d_head, d_model],
    'self_attn.k_proj': [n_kv_heads * d_head, d_model],
    'self_attn.v_proj': [n_kv_heads * d_head, d_model],
    'self_attn.o_proj': [d_model, n_heads * d_head],
    'mlp.gate_proj': [d_mlp, d_model],
    'mlp.up_proj': [d_mlp, d_model],
    'mlp.down_proj': [d_model, d_mlp],
  }
}

/** A block's four norms, [d_model] each. */
export const BLOCK_NORMS = [
  'input_layernorm',
  'post_attention_layernorm',
  'pre_feedforward_layernorm',
  'post_feedforward_layernorm',
] as const

export const EMBEDDING = 'model.embed_tokens.weight'
export const FINAL_NORM = 'model.norm.weight'
export const blockTensor = (layer: number, part: string): string =>
  `model.layers.${layer}.${part}.weight`

/** Every tensor of the checkpoint with its shape. */
export function tensorShapes(shape: Shape): Map<string, readonly number[]> {
  const { n_layers, d_model, d_vocab } = shape
  const shapes = new Map<string, readonly number[]>([
    [EMBEDDING, [d_vocab, d_model]],
    [FINAL_NORM, [d_model]],
  ])
  for (let layer = 0; layer < n_layers; layer++) {
    for (const norm of BLOCK_NORMS) shapes.set(blockTensor(layer, norm), [d_model])
    for (const [part, matrix] of Object.entries(blockMatrices(shape)))
      shapes.set(blockTensor(layer, part), matrix)
  }
  return shapes
}

/** Numbers in all weights together, the embedding counted once. */
export function parameterCount(shape: Shape): number {
  let n = 0
  for (const sizes of tensorShapes(shape).values()) n += sizes.reduce((a, b) => a * b)
  return n
}

/** config.json as a Gemma 2 checkpoint has it. */
export function configJson(shape: Shape): Record<string, unknown> {
  return {
    architectures: ['Gemma2ForCausalLM'],
    model_type: 'gemma2',
    vocab_size: shape.d_vocab,
    hidden_size: shape.d_model,
    intermediate_size: shape.d_mlp,
    num_hidden_layers: shape.n_layers,
    num_attention_heads: shape.n_heads,
    num_key_value_heads: shape.n_kv_heads,
    head_dim: shape.d_head,
    max_position_embeddings: shape.n_ctx,
    sliding_window: shape.sliding_window,
    query_pre_attn_scalar: shape.d_head,
    rms_norm_eps: RMS_EPS,
    rope_theta: ROPE_THETA,
    attn_logit_softcapping: ATTN_SOFTCAP,
    final_logit_softcapping: FINAL_SOFTCAP,
    hidden_activation: 'gelu_pytorch_tanh',
    tie_word_embeddings: true,
    attention_bias: false,
    pad_token_id: 0,
    eos_token_id: 1,
    bos_token_id: 2,
    torch_dtype: 'bfloat16',
  }
}
