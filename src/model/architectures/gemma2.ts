/**
 * Gemma 2 (2B, 9B, 27B and anything of their shape).
 *
 * Source: google/gemma_pytorch `gemma/model.py` and `gemma/config.py`; tensor names as in Hugging Face's checkpoints.
 */

import { z } from 'zod'
import type { OnnxValue } from '../../formats/index.ts'
import type { Architecture, BlockPart, WeightedGraph, WeightSpec } from '../architecture.ts'
import * as graphs from '../graphs.ts'
import { ropeTable } from '../rope.ts'
import { decoderWeights, GEMMA_NORMS } from './decoderWeights.ts'
import { COMMON, checkHeads, checkLayerTypes, readConfig, size, tokenIds } from './readConfig.ts'

const Config = z.strictObject({
  ...COMMON,
  model_type: z.literal('gemma2'),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size,
  head_dim: size.multipleOf(8),
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().default(10000),
  sliding_window: size,
  query_pre_attn_scalar: z.number().positive(),
  attn_logit_softcapping: z.number().positive(),
  final_logit_softcapping: z.number().positive(),
  layer_types: z.array(z.enum(['sliding_attention', 'full_attention'])).optional(),
  bos_token_id: z.int(),
  eos_token_id: z.union([z.int(), z.array(z.int())]),
  pad_token_id: z.int(),
  hidden_activation: z.literal('gelu_pytorch_tanh').default('gelu_pytorch_tanh'),
  // Overruled by hidden_activation in Google's and Hugging Face's code, whatever it says.
  hidden_act: z.string().optional(),
  tie_word_embeddings: z.literal(true).default(true),
  attention_bias: z.literal(false).default(false),
  rope_scaling: z.null().optional(),
  rope_parameters: z
    .strictObject({ rope_theta: z.number().positive(), rope_type: z.literal('default') })
    .optional(),
  use_bidirectional_attention: z.union([z.literal(false), z.null()]).optional(),
})

export const gemma2: Architecture = {
  parseConfig(path, json) {
    const config = readConfig(path, json, Config)
    const n_layers = config.num_hidden_layers
    const layer_types =
      config.layer_types ??
      Array.from({ length: n_layers }, (_, layer) =>
        layer % 2 === 0 ? ('sliding_attention' as const) : ('full_attention' as const),
      )
    checkLayerTypes(path, layer_types, n_layers)
    checkHeads(path, config.num_attention_heads, config.num_key_value_heads)
    const theta = config.rope_parameters?.rope_theta ?? config.rope_theta
    return {
      model_type: 'gemma2',
      n_layers,
      d_model: config.hidden_size,
      d_mlp: config.intermediate_size,
      d_head: config.head_dim,
      n_heads: config.num_attention_heads,
      n_kv_heads: config.num_key_value_heads,
      d_vocab: config.vocab_size,
      n_ctx: config.max_position_embeddings,
      norm: 'rms',
      norm_eps: config.rms_norm_eps,
      act: 'gelu_tanh',
      parallel: false,
      rope: {
        rotary_dim: config.head_dim,
        tables: [ropeTable(config.head_dim, theta)],
        of_layer: layer_types.map(() => 0),
      },
      windows: layer_types.map((type) =>
        type === 'sliding_attention' ? config.sliding_window : -1,
      ),
      query_scale: config.query_pre_attn_scalar ** -0.5,
      attn_softcap: config.attn_logit_softcapping,
      final_softcap: config.final_logit_softcapping,
      embed_scale: roundTo(
        config.dtype ?? config.torch_dtype ?? 'bfloat16',
        Math.sqrt(config.hidden_size),
      ),
      tied: true,
      qkv_bias: false,
      o_bias: false,
      mlp_bias: false,
      ...tokenIds(config, config.vocab_size),
      rope_theta: theta,
    }
  },

  weights: (config) => decoderWeights(config, GEMMA_NORMS),

  // Below: until the network builds from `weights`.
  embedding: 'model.embed_tokens.weight',
  final_norm: 'model.norm.weight',
  tensors(config) {
    const { embed, final_norm, blocks } = gemma2.weights(config)
    const specs = [embed, final_norm, ...blocks.flatMap((block) => Object.values(block))]
    return new Map(specs.map(({ tensor, shape }) => [tensor, shape]))
  },
  embed(graph, config) {
    const rows = graph.rows(gemma2.embedding, graph.input('ids', 'I32', ['m']))
    const embedded = graph.node('Mul', [rows, scalar(graph, 'embed_scale', config.embed_scale)])
    graph.output('hook_embed', embedded, 'F32', ['m', config.d_model])
  },
  attn: (graph, config, layer) =>
    graphs.attnGraph(byPart(graph, gemma2.weights(config).blocks[layer]!), config, {
      window: config.windows[layer]!,
      rope: true,
    }),
  mlp: (graph, config, layer) =>
    graphs.mlpGraph(byPart(graph, gemma2.weights(config).blocks[layer]!), config),
  head(graph, config) {
    const { final_norm, unembed } = gemma2.weights(config)
    return graphs.headGraph(byPart(graph, { final_norm, unembed }), config)
  },
}

function byPart(
  graph: WeightedGraph,
  specs: Partial<Record<BlockPart | 'final_norm' | 'unembed', WeightSpec>>,
): graphs.WeightedGraph {
  const spec = (part: string): WeightSpec | undefined => specs[part as BlockPart]
  return {
    ...graph,
    has: (part) => spec(part) !== undefined,
    weight(part) {
      const { tensor, plus } = spec(part)!
      const value = graph.weight(tensor)
      if (plus === undefined) return value
      return graph.node('Add', [value, scalar(graph, `plus ${part}`, plus)])
    },
  }
}

const scalar = (graph: WeightedGraph, name: string, value: number): OnnxValue =>
  graph.constant(name, 'F32', [], new Uint8Array(Float32Array.of(value).buffer))

/** A positive number as the checkpoint's dtype holds it, ties to even. */
export function roundTo(dtype: 'bfloat16' | 'float16' | 'float32', value: number): number {
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
