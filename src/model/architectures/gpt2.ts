/**
 * GPT-2 and what follows its design: LayerNorm with biases, learned positions, a plain MLP, everything tied and transposed.
 *
 * Source: Radford et al. 2019, openai/gpt-2 `src/model.py`; fields and tensor names as in Hugging Face's checkpoints, with
 * `transformer.` in front or without.
 */

import { z } from 'zod'
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

const Config = z.strictObject({
  ...COMMON,
  model_type: z.literal('gpt2'),
  vocab_size: size,
  n_embd: size,
  n_layer: layerCount,
  n_head: size,
  n_inner: size.nullish(),
  n_positions: size,
  // The same as n_positions in files that have it; nothing reads it.
  n_ctx: size.optional(),
  layer_norm_epsilon: z.number().positive(),
  activation_function: activation,
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.literal(false).optional(),
  add_cross_attention: z.literal(false).optional(),
  tie_word_embeddings: z.literal(true).optional(),
  // How attention is computed in half precision; no matter in float32.
  reorder_and_upcast_attn: z.boolean().optional(),
})

const PREFIX = 'transformer.'

export const gpt2: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, json, Config)
    const d_head = headSize(path, undefined, config.n_embd, config.n_head)
    return {
      model_type: 'gpt2',
      n_layers: config.n_layer,
      d_model: config.n_embd,
      d_mlp: config.n_inner ?? 4 * config.n_embd,
      d_head,
      n_heads: config.n_head,
      n_kv_heads: config.n_head,
      d_vocab: config.vocab_size,
      n_ctx: config.n_positions,
      norm: 'layer',
      norm_eps: config.layer_norm_epsilon,
      act: config.activation_function,
      parallel: false,
      windows: Array<number>(config.n_layer).fill(-1),
      query_scale: config.scale_attn_weights ? d_head ** -0.5 : 1,
      attn_softcap: 0,
      final_softcap: 0,
      embed_scale: 1,
      tied: true,
      qkv_bias: true,
      o_bias: true,
      mlp_bias: true,
      ...tokenIds(config, config.vocab_size),
    }
  },

  weights(config) {
    const { d_vocab, d_model, n_ctx, n_layers } = config
    const embed: WeightSpec = { tensor: `${PREFIX}wte.weight`, shape: [d_vocab, d_model] }
    return {
      embed,
      pos: { tensor: `${PREFIX}wpe.weight`, shape: [n_ctx, d_model] },
      final_norm: { tensor: `${PREFIX}ln_f.weight`, shape: [d_model] },
      final_norm_b: { tensor: `${PREFIX}ln_f.bias`, shape: [d_model] },
      unembed: embed,
      blocks: Array.from({ length: n_layers }, (_, layer) => blockWeights(config, layer)),
    }
  },

  canonical: (tensor) =>
    tensor.startsWith(PREFIX) || tensor === 'lm_head.weight' ? tensor : `${PREFIX}${tensor}`,

  /** Masks, which older checkpoints hold as buffers, and the tied unembedding. */
  ignores: (tensor) => /\.attn\.(masked_)?bias$/.test(tensor) || tensor === 'lm_head.weight',
}

function blockWeights({ d_model, d_mlp }: ModelConfig, layer: number): BlockWeights {
  const at = `${PREFIX}h.${layer}`
  const vector = (name: string, width: number): WeightSpec => ({
    tensor: `${at}.${name}`,
    shape: [width],
  })
  const matrix = (name: string, d_out: number, d_in: number): WeightSpec => ({
    tensor: `${at}.${name}.weight`,
    shape: [d_out, d_in],
    transposed: true,
  })
  /** The n-th third of the fused queries, keys and values. */
  const third = (n: number): Pick<WeightSpec, 'rows'> => ({ rows: [[n * d_model, d_model]] })
  const fused = matrix('attn.c_attn', d_model, d_model)
  const fused_b = vector('attn.c_attn.bias', d_model)
  return {
    ln1: vector('ln_1.weight', d_model),
    ln1_b: vector('ln_1.bias', d_model),
    q: { ...fused, ...third(0) },
    q_b: { ...fused_b, ...third(0) },
    k: { ...fused, ...third(1) },
    k_b: { ...fused_b, ...third(1) },
    v: { ...fused, ...third(2) },
    v_b: { ...fused_b, ...third(2) },
    o: matrix('attn.c_proj', d_model, d_model),
    o_b: vector('attn.c_proj.bias', d_model),
    ln2: vector('ln_2.weight', d_model),
    ln2_b: vector('ln_2.bias', d_model),
    up: matrix('mlp.c_fc', d_mlp, d_model),
    up_b: vector('mlp.c_fc.bias', d_mlp),
    down: matrix('mlp.c_proj', d_model, d_mlp),
    down_b: vector('mlp.c_proj.bias', d_model),
  }
}
