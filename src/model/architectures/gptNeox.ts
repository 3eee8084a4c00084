/**
 * GPT-NeoX and Pythia: LayerNorm, rotary positions on a part of each head, attention and MLP side by side.
 *
 * Source: arXiv:2204.06745, arXiv:2304.01373; fields and tensor names as in Hugging Face's checkpoints.
 */

import { z } from 'zod'
import { FormatError } from '../../formats/index.ts'
import type { Architecture, BlockWeights, WeightSpec } from '../architecture.ts'
import type { ModelConfig } from '../types.ts'
import {
  activation,
  COMMON,
  headSize,
  layerCount,
  readConfig,
  size,
  tokenIds,
} from './readConfig.ts'
import { partialRopeParameters, uniformRope } from './ropeFields.ts'

const Config = z.strictObject({
  ...COMMON,
  rope_scaling: partialRopeParameters.nullish(),
  rope_parameters: partialRopeParameters.nullish(),
  rope_theta: z.number().positive().optional(),
  model_type: z.literal('gpt_neox'),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: layerCount,
  num_attention_heads: size,
  max_position_embeddings: size,
  layer_norm_eps: z.number().positive(),
  hidden_act: activation,
  rotary_pct: z.number().positive().max(1).optional(),
  partial_rotary_factor: z.number().positive().max(1).optional(),
  rotary_emb_base: z.number().positive().optional(),
  use_parallel_residual: z.boolean().default(true),
  attention_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(false),
})

const AT = 'gpt_neox'
const UNEMBED = 'embed_out.weight'

export const gptNeox: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, json, Config)
    const { num_attention_heads: n_heads, num_hidden_layers: n_layers } = config
    const d_head = headSize(path, undefined, config.hidden_size, n_heads)
    const parameters = config.rope_parameters ?? undefined
    const share =
      parameters?.partial_rotary_factor ?? config.partial_rotary_factor ?? config.rotary_pct ?? 0.25
    const rotary_dim = Math.floor(d_head * share)
    if (rotary_dim < 2 || rotary_dim % 2 !== 0) {
      throw new FormatError(
        path,
        `rotary_pct ${share} of ${d_head} channels a head is ${rotary_dim}, supported: an even number of them.`,
      )
    }
    const rope_theta = config.rope_theta ?? config.rotary_emb_base ?? 10_000
    return {
      model_type: 'gpt_neox',
      n_layers,
      d_model: config.hidden_size,
      d_mlp: config.intermediate_size,
      d_head,
      n_heads,
      n_kv_heads: n_heads,
      d_vocab: config.vocab_size,
      n_ctx: config.max_position_embeddings,
      norm: 'layer',
      norm_eps: config.layer_norm_eps,
      act: config.hidden_act,
      parallel: config.use_parallel_residual,
      rope: uniformRope({ ...config, rope_theta }, rotary_dim, n_layers),
      windows: Array<number>(n_layers).fill(-1),
      query_scale: d_head ** -0.5,
      attn_softcap: 0,
      final_softcap: 0,
      embed_scale: 1,
      tied: config.tie_word_embeddings,
      qkv_bias: config.attention_bias,
      o_bias: config.attention_bias,
      mlp_bias: true,
      ...tokenIds(config, config.vocab_size),
    }
  },

  weights(config) {
    const { d_vocab, d_model, n_layers, tied } = config
    const embed: WeightSpec = { tensor: `${AT}.embed_in.weight`, shape: [d_vocab, d_model] }
    return {
      embed,
      final_norm: { tensor: `${AT}.final_layer_norm.weight`, shape: [d_model] },
      final_norm_b: { tensor: `${AT}.final_layer_norm.bias`, shape: [d_model] },
      unembed: tied ? embed : { tensor: UNEMBED, shape: [d_vocab, d_model] },
      blocks: Array.from({ length: n_layers }, (_, layer) => blockWeights(config, layer)),
    }
  },

  /** Masks and frequencies, which older checkpoints hold as buffers. */
  ignores: (tensor, { tied }) =>
    /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(tensor) ||
    (tied && tensor === UNEMBED),
}

function blockWeights(config: ModelConfig, layer: number): BlockWeights {
  const { d_model, d_mlp, d_head, n_heads } = config
  const at = `${AT}.layers.${layer}`
  const vector = (name: string, width: number): WeightSpec => ({
    tensor: `${at}.${name}`,
    shape: [width],
  })
  const matrix = (name: string, d_out: number, d_in: number): WeightSpec => ({
    tensor: `${at}.${name}.weight`,
    shape: [d_out, d_in],
  })
  /** Queries, keys or values (n = 0, 1, 2) among the fused rows, where they take turns head by head. */
  const every = (n: number): Pick<WeightSpec, 'rows'> => ({
    rows: Array.from({ length: n_heads }, (_, head) => [(3 * head + n) * d_head, d_head] as const),
  })
  const fused = matrix('attention.query_key_value', n_heads * d_head, d_model)
  const fused_b = vector('attention.query_key_value.bias', n_heads * d_head)
  const biases: BlockWeights = {
    q_b: { ...fused_b, ...every(0) },
    k_b: { ...fused_b, ...every(1) },
    v_b: { ...fused_b, ...every(2) },
    o_b: vector('attention.dense.bias', d_model),
  }
  return {
    ln1: vector('input_layernorm.weight', d_model),
    ln1_b: vector('input_layernorm.bias', d_model),
    q: { ...fused, ...every(0) },
    k: { ...fused, ...every(1) },
    v: { ...fused, ...every(2) },
    o: matrix('attention.dense', d_model, n_heads * d_head),
    ...(config.qkv_bias ? biases : {}),
    ln2: vector('post_attention_layernorm.weight', d_model),
    ln2_b: vector('post_attention_layernorm.bias', d_model),
    up: matrix('mlp.dense_h_to_4h', d_mlp, d_model),
    up_b: vector('mlp.dense_h_to_4h.bias', d_mlp),
    down: matrix('mlp.dense_4h_to_h', d_model, d_mlp),
    down_b: vector('mlp.dense_4h_to_h.bias', d_model),
  }
}
