/** The weights of the many families that name them as Llama does: `model.layers.{i}.self_attn.q_proj.weight` and so on. */

import type { BlockPart, ModelWeights, WeightSpec } from '../architecture.ts'
import type { ModelConfig } from '../types.ts'

/** Norms of a block by part, as the checkpoint names them; `plus` is what makes their weights gains. */
export type DecoderNorms = {
  readonly parts: Readonly<Partial<Record<BlockPart, string>>>
  readonly plus?: number
}

export const LLAMA_NORMS: DecoderNorms = {
  parts: { ln1: 'input_layernorm', ln2: 'post_attention_layernorm' },
}

/** Norms before and after each half, gains `1 + w`. */
export const GEMMA_NORMS = {
  parts: {
    ln1: 'input_layernorm',
    ln1_post: 'post_attention_layernorm',
    ln2: 'pre_feedforward_layernorm',
    ln2_post: 'post_feedforward_layernorm',
  },
  plus: 1,
} as const satisfies DecoderNorms

/** Norms of queries and keys, head by head: they join the others where a family has them. */
export const QK_NORMS = { q_norm: 'self_attn.q_norm', k_norm: 'self_attn.k_norm' } as const

export function decoderWeights(config: ModelConfig, norms: DecoderNorms): ModelWeights {
  const { d_model, d_mlp, d_vocab, d_head, n_heads, n_kv_heads } = config
  const [d_q, d_kv] = [n_heads * d_head, n_kv_heads * d_head]
  const matrices = {
    q: ['self_attn.q_proj', d_q, d_model, config.qkv_bias],
    k: ['self_attn.k_proj', d_kv, d_model, config.qkv_bias],
    v: ['self_attn.v_proj', d_kv, d_model, config.qkv_bias],
    o: ['self_attn.o_proj', d_model, d_q, config.o_bias],
    gate: ['mlp.gate_proj', d_mlp, d_model, config.mlp_bias],
    up: ['mlp.up_proj', d_mlp, d_model, config.mlp_bias],
    down: ['mlp.down_proj', d_model, d_mlp, config.mlp_bias],
  } as const
  const gain = (tensor: string, width: number): WeightSpec => ({
    tensor,
    shape: [width],
    ...(norms.plus === undefined ? {} : { plus: norms.plus }),
  })

  const block = (layer: number): Partial<Record<BlockPart, WeightSpec>> => {
    const at = `model.layers.${layer}`
    const specs: Partial<Record<BlockPart, WeightSpec>> = {}
    for (const [part, [name, d_out, d_in, hasBias]] of Object.entries(matrices)) {
      specs[part as BlockPart] = { tensor: `${at}.${name}.weight`, shape: [d_out, d_in] }
      if (hasBias)
        specs[`${part}_b` as BlockPart] = { tensor: `${at}.${name}.bias`, shape: [d_out] }
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
    unembed: config.tied ? embed : { tensor: 'lm_head.weight', shape: [d_vocab, d_model] },
    blocks: Array.from({ length: config.n_layers }, (_, layer) => block(layer)),
  }
}
