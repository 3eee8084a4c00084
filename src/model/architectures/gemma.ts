/** What Gemma 2 and 3 share: fields of config.json, the embedding's scale, norms whose gain is 1 + w. */

import { z } from 'zod'
import type { ModelWeights } from '../architecture.ts'
import type { ModelConfig } from '../types.ts'
import { decoderWeights, GEMMA_NORMS, QK_NORMS } from './decoder.ts'
import {
  COMMON,
  checkHeads,
  headSize,
  LAYER_TYPES,
  layerCount,
  size,
  tokenIds,
} from './readConfig.ts'

export const GEMMA = {
  ...COMMON,
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: layerCount,
  num_attention_heads: size,
  num_key_value_heads: size,
  head_dim: size,
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive(),
  sliding_window: size,
  query_pre_attn_scalar: z.number().positive(),
  layer_types: LAYER_TYPES.optional(),
  hidden_activation: z.literal('gelu_pytorch_tanh').default('gelu_pytorch_tanh'),
  // Overruled by hidden_activation in Google's and Hugging Face's code, whatever it says.
  hidden_act: z.string().optional(),
  tie_word_embeddings: z.literal(true).default(true),
  attention_bias: z.literal(false).default(false),
  use_bidirectional_attention: z.literal(false).nullish(),
}

type GemmaConfig = z.infer<z.ZodObject<typeof GEMMA>>

/** @throws FormatError if heads do not divide into groups or have a size that cannot be run. */
export function gemmaConfig(
  path: string,
  config: GemmaConfig,
  windows: readonly number[],
): Omit<ModelConfig, 'model_type' | 'rope' | 'attn_softcap' | 'final_softcap'> {
  const { num_attention_heads: n_heads, num_key_value_heads: n_kv_heads, hidden_size } = config
  checkHeads(path, n_heads, n_kv_heads)
  const dtype = config.dtype ?? config.torch_dtype ?? 'bfloat16'
  return {
    n_layers: config.num_hidden_layers,
    d_model: hidden_size,
    d_mlp: config.intermediate_size,
    d_head: headSize(path, config.head_dim, hidden_size, n_heads),
    n_heads,
    n_kv_heads,
    d_vocab: config.vocab_size,
    n_ctx: config.max_position_embeddings,
    norm: 'rms',
    norm_eps: config.rms_norm_eps,
    act: 'gelu_tanh',
    parallel: false,
    windows,
    query_scale: config.query_pre_attn_scalar ** -0.5,
    embed_scale: roundTo(dtype, Math.sqrt(hidden_size)),
    tied: true,
    qkv_bias: false,
    o_bias: false,
    mlp_bias: false,
    ...tokenIds(config, config.vocab_size),
  }
}

/** @param has_qk_norms whether queries and keys are normalized too. */
export function gemmaWeights(config: ModelConfig, has_qk_norms: boolean): ModelWeights {
  const parts = has_qk_norms ? { ...GEMMA_NORMS, ...QK_NORMS } : GEMMA_NORMS
  return decoderWeights(config, { parts, plus: 1 })
}

/** A positive number as the checkpoint's dtype holds it, ties to even. */
function roundTo(dtype: 'bfloat16' | 'float16' | 'float32', value: number): number {
  switch (dtype) {
    case 'float32':
      return Math.fround(value)
    case 'float16':
      return Math.f16round(value)
    case 'bfloat16': {
      const bits = new Uint32Array(Float32Array.of(value).buffer)
      bits[0] = (bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000
      return new Float32Array(bits.buffer)[0]!
    }
    default:
      throw new TypeError(`Unknown dtype ${dtype satisfies never}.`)
  }
}
