/**
 * What Llama, Mistral and Qwen share: RMSNorm before each half, rotary positions, a gated MLP; their fields in config.json
 * and the names of their tensors (`model.layers.{i}.self_attn.q_proj.weight`), which Gemma shares too.
 */

import { z } from 'zod'
import type { BlockPart, ModelWeights, WeightSpec } from '../architecture.ts'
import type { ModelConfig } from '../types.ts'
import {
  activation,
  COMMON,
  checkHeads,
  headSize,
  layerCount,
  size,
  tokenIds,
} from './readConfig.ts'
import { ROPE, uniformRope } from './ropeFields.ts'

/** Fields of the families that this file reads whole. */
export const DECODER = {
  ...COMMON,
  ...ROPE,
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: layerCount,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive(),
  hidden_act: activation,
  tie_word_embeddings: z.boolean().default(false),
}

/** @throws FormatError if heads do not divide into groups or into the model's width. */
export function decoderConfig(
  path: string,
  config: z.infer<z.ZodObject<typeof DECODER>> & { readonly model_type: string },
): ModelConfig {
  const { hidden_size, num_attention_heads: n_heads, num_hidden_layers: n_layers } = config
  const n_kv_heads = config.num_key_value_heads ?? n_heads
  checkHeads(path, n_heads, n_kv_heads)
  const d_head = headSize(path, config.head_dim ?? undefined, hidden_size, n_heads)
  return {
    model_type: config.model_type,
    n_layers,
    d_model: hidden_size,
    d_mlp: config.intermediate_size,
    d_head,
    n_heads,
    n_kv_heads,
    d_vocab: config.vocab_size,
    n_ctx: config.max_position_embeddings,
    norm: 'rms',
    norm_eps: config.rms_norm_eps,
    act: config.hidden_act,
    parallel: false,
    rope: uniformRope(config, d_head, n_layers),
    windows: Array<number>(n_layers).fill(-1),
    query_scale: d_head ** -0.5,
    attn_softcap: 0,
    final_softcap: 0,
    embed_scale: 1,
    tied: config.tie_word_embeddings,
    qkv_bias: false,
    o_bias: false,
    mlp_bias: false,
    ...tokenIds(config, config.vocab_size),
  }
}

/** A block's norms by part, as the checkpoint names them; `plus` is what makes their weights gains. */
export type DecoderNorms = {
  readonly parts: Readonly<Partial<Record<BlockPart, string>>>
  readonly plus?: number
}

export const LLAMA_NORMS = {
  ln1: 'input_layernorm',
  ln2: 'post_attention_layernorm',
} as const

/** Norms before and after each half. */
export const GEMMA_NORMS = {
  ln1: 'input_layernorm',
  ln1_post: 'post_attention_layernorm',
  ln2: 'pre_feedforward_layernorm',
  ln2_post: 'post_feedforward_layernorm',
} as const

/** Norms of queries and keys, head by head. */
export const QK_NORMS = { q_norm: 'self_attn.q_norm', k_norm: 'self_attn.k_norm' } as const

/** The weights by Llama's names. */
export function decoderWeights(config: ModelConfig, norms: DecoderNorms): ModelWeights {
  const { d_model, d_mlp, d_vocab, d_head, n_heads, n_kv_heads, qkv_bias, o_bias } = config
  const [d_q, d_kv] = [n_heads * d_head, n_kv_heads * d_head]
  const matrices = [
    ['q', 'self_attn.q_proj', d_q, d_model, qkv_bias],
    ['k', 'self_attn.k_proj', d_kv, d_model, qkv_bias],
    ['v', 'self_attn.v_proj', d_kv, d_model, qkv_bias],
    ['o', 'self_attn.o_proj', d_model, d_q, o_bias],
    ['gate', 'mlp.gate_proj', d_mlp, d_model, config.mlp_bias],
    ['up', 'mlp.up_proj', d_mlp, d_model, config.mlp_bias],
    ['down', 'mlp.down_proj', d_model, d_mlp, config.mlp_bias],
  ] as const
  const gain = (tensor: string, width: number): WeightSpec => ({
    tensor,
    shape: [width],
    ...(norms.plus === undefined ? {} : { plus: norms.plus }),
  })

  const block = (layer: number): Partial<Record<BlockPart, WeightSpec>> => {
    const at = `model.layers.${layer}`
    const specs: Partial<Record<BlockPart, WeightSpec>> = {}
    for (const [part, name, d_out, d_in, has_bias] of matrices) {
      specs[part] = { tensor: `${at}.${name}.weight`, shape: [d_out, d_in] }
      if (has_bias) specs[`${part}_b`] = { tensor: `${at}.${name}.bias`, shape: [d_out] }
    }
    for (const [part, name] of Object.entries(norms.parts)) {
      const width = part in QK_NORMS ? d_head : d_model
      specs[part as BlockPart] = gain(`${at}.${name}.weight`, width)
    }
    return specs
  }
  const embed: WeightSpec = { tensor: 'model.embed_tokens.weight', shape: [d_vocab, d_model] }
  return {
    embed,
    final_norm: gain('model.norm.weight', d_model),
    unembed: config.tied ? embed : { tensor: UNEMBED, shape: [d_vocab, d_model] },
    blocks: Array.from({ length: config.n_layers }, (_, layer) => block(layer)),
  }
}

const UNEMBED = 'lm_head.weight'

/** Buffers that older checkpoints hold, and an unembedding beside the embedding that it is tied to. */
export function decoderIgnores(tensor: string, { tied }: ModelConfig): boolean {
  return tensor.endsWith('.rotary_emb.inv_freq') || (tied && tensor === UNEMBED)
}
