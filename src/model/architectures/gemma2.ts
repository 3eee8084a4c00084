/**
 * Gemma 2 (2B, 9B, 27B and anything of their shape): config.json, tensors and graphs.
 *
 * Source: google/gemma_pytorch `gemma/model.py` and `gemma/config.py`; tensor names as in Hugging Face's checkpoints.
 */

import { z } from 'zod'
import { FormatError, type OnnxValue } from '../../formats/index.ts'
import type { Architecture, WeightedGraph } from '../architecture.ts'
import type { ModelConfig } from '../types.ts'

const size = z.int().positive()

/** Fields that say nothing about the numbers. */
const IGNORED = new Set([
  'architectures',
  'attention_dropout',
  'cache_implementation',
  'initializer_range',
  'transformers_version',
  'use_cache',
  'unsloth_version',
  'unsloth_fixed',
])

const Config = z.strictObject({
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
  torch_dtype: z.enum(['bfloat16', 'float16', 'float32']).optional(),
  dtype: z.enum(['bfloat16', 'float16', 'float32']).optional(),
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

function parseConfig(path: string, json: unknown): ModelConfig {
  if (typeof json !== 'object' || json === null) {
    throw new FormatError(path, `is ${JSON.stringify(json)}, expected a JSON object of settings.`)
  }
  const fields = Object.entries(json).filter(([key]) => !IGNORED.has(key) && !key.startsWith('_'))
  const parsed = Config.safeParse(Object.fromEntries(fields))
  if (!parsed.success) throw unsupported(path, Object.fromEntries(fields), parsed.error)
  const config = parsed.data
  const n_layers = config.num_hidden_layers
  const layer_types =
    config.layer_types ??
    Array.from({ length: n_layers }, (_, layer) =>
      layer % 2 === 0 ? ('sliding_attention' as const) : ('full_attention' as const),
    )
  if (layer_types.length !== n_layers) {
    throw new FormatError(
      path,
      `layer_types has ${layer_types.length} entries, expected num_hidden_layers ${n_layers}.`,
    )
  }
  if (config.num_attention_heads % config.num_key_value_heads !== 0) {
    throw new FormatError(
      path,
      `num_attention_heads ${config.num_attention_heads} is not a multiple of num_key_value_heads ${config.num_key_value_heads}.`,
    )
  }
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
    rms_eps: config.rms_norm_eps,
    rope_theta: config.rope_parameters?.rope_theta ?? config.rope_theta,
    sliding_window: config.sliding_window,
    layer_types,
    query_scale: config.query_pre_attn_scalar ** -0.5,
    attn_softcap: config.attn_logit_softcapping,
    final_softcap: config.final_logit_softcapping,
    embed_scale: roundTo(
      config.dtype ?? config.torch_dtype ?? 'bfloat16',
      Math.sqrt(config.hidden_size),
    ),
    bos_token_id: config.bos_token_id,
    eos_token_ids: [config.eos_token_id].flat(),
    pad_token_id: config.pad_token_id,
  }
}

/** Every complaint in one error: field, found, supported. */
function unsupported(path: string, found: Record<string, unknown>, error: z.ZodError): FormatError {
  const complaints = error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map(
        (key) =>
          `${key} is ${JSON.stringify(found[key])}, a setting of gemma2 that Hooke does not know and will not guess at`,
      )
    }
    const field = issue.path.join('.')
    const value = issue.path.length === 0 ? found : found[String(issue.path[0])]
    return [
      `${field} is ${value === undefined ? 'missing' : JSON.stringify(value)}, supported: ${issue.message}`,
    ]
  })
  return new FormatError(path, `${complaints.join('; ')}.`, { cause: error })
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

const block = (layer: number, part: string): string => `model.layers.${layer}.${part}.weight`

function tensors(config: ModelConfig): Map<string, readonly number[]> {
  const { d_model, d_mlp, d_vocab, n_layers } = config
  const d_q = config.n_heads * config.d_head
  const d_kv = config.n_kv_heads * config.d_head
  const shapes = new Map<string, readonly number[]>([
    [gemma2.embedding, [d_vocab, d_model]],
    [gemma2.final_norm, [d_model]],
  ])
  for (let layer = 0; layer < n_layers; layer++) {
    const parts: Record<string, readonly number[]> = {
      input_layernorm: [d_model],
      post_attention_layernorm: [d_model],
      pre_feedforward_layernorm: [d_model],
      post_feedforward_layernorm: [d_model],
      'self_attn.q_proj': [d_q, d_model],
      'self_attn.k_proj': [d_kv, d_model],
      'self_attn.v_proj': [d_kv, d_model],
      'self_attn.o_proj': [d_model, d_q],
      'mlp.gate_proj': [d_mlp, d_model],
      'mlp.up_proj': [d_mlp, d_model],
      'mlp.down_proj': [d_model, d_mlp],
    }
    for (const [part, shape] of Object.entries(parts)) shapes.set(block(layer, part), shape)
  }
  return shapes
}

const scalar = (graph: WeightedGraph, name: string, value: number): OnnxValue =>
  graph.constant(name, 'F32', [], new Uint8Array(Float32Array.of(value).buffer))

const int64 = (graph: WeightedGraph, name: string, values: readonly number[]): OnnxValue =>
  graph.constant(
    name,
    'I64',
    [values.length],
    new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
  )

/** RMSNorm: `x / sqrt(mean(x^2) + eps) * (1 + w)` over the last axis, in float32. */
function rmsNorm(graph: WeightedGraph, config: ModelConfig, x: OnnxValue, w: string): OnnxValue {
  const gain = graph.node('Add', [graph.weight(w), scalar(graph, `one ${w}`, 1)])
  return graph.node('SimplifiedLayerNormalization', [x, gain], {
    attributes: { axis: -1, epsilon: { float: config.rms_eps }, stash_type: 1 },
  })
}

/** `x W^T` for x [m, d_in] and W [d_out, d_in], as checkpoints hold it. */
function linear(graph: WeightedGraph, x: OnnxValue, w: string): OnnxValue {
  return graph.node('Gemm', [x, graph.weight(w)], { attributes: { transB: 1 } })
}

export const gemma2: Architecture = {
  embedding: 'model.embed_tokens.weight',
  final_norm: 'model.norm.weight',
  parseConfig,
  tensors,

  embed(graph, config) {
    const ids = graph.input('ids', 'I32', ['m'])
    const rows = graph.rows(gemma2.embedding, ids)
    const embedded = graph.node('Mul', [rows, scalar(graph, 'embed_scale', config.embed_scale)])
    graph.output('hook_embed', embedded, 'F32', ['m', config.d_model])
  },

  attn(graph, config, layer) {
    const { d_model, d_head, n_heads, n_kv_heads } = config
    const x = graph.input('resid_pre', 'F32', ['n', 's', d_model])
    const past = ['n', n_kv_heads, 'p', d_head]
    const past_k = graph.input('past_k', 'F32', past)
    const past_v = graph.input('past_v', 'F32', past)
    const last_key = graph.input('last_key', 'I32', ['n'])
    const n_keys = graph.input('n_keys', 'I32', [1])
    const start = graph.input('start', 'I64', [1])
    const cos = graph.input('cos', 'F32', ['c', d_head / 2])
    const sin = graph.input('sin', 'F32', ['c', d_head / 2])

    const normed = rmsNorm(graph, config, x, block(layer, 'input_layernorm'))
    const rows = graph.node('Reshape', [normed, int64(graph, 'flat', [-1, d_model])])
    const n_s = graph.node('Shape', [x], { attributes: { start: 0, end: 2 } })
    const last = int64(graph, 'last', [-1])
    const shape = graph.node('Concat', [n_s, last], { attributes: { axis: 0 } })
    const project = (part: string): OnnxValue =>
      graph.node('Reshape', [linear(graph, rows, block(layer, `self_attn.${part}`)), shape])

    const rotate = (heads: OnnxValue, num_heads: number): OnnxValue =>
      graph.node('RotaryEmbedding', [heads, start, cos, sin], {
        domain: 'com.microsoft',
        attributes: { num_heads },
      })

    const q = rotate(project('q_proj'), n_heads)
    const new_k = rotate(project('k_proj'), n_kv_heads)
    const new_v = project('v_proj')
    const window = config.layer_types[layer] === 'sliding_attention' ? config.sliding_window : -1
    const [attended] = graph.nodes(
      'GroupQueryAttention',
      3,
      [q, new_k, new_v, past_k, past_v, last_key, n_keys],
      {
        domain: 'com.microsoft',
        attributes: {
          num_heads: n_heads,
          kv_num_heads: n_kv_heads,
          scale: { float: config.query_scale },
          softcap: { float: config.attn_softcap },
          local_window_size: window,
        },
      },
    )
    graph.output('z', attended!, 'F32', ['n', 's', n_heads * d_head])
    graph.output('new_k', new_k, 'F32', ['n', 's', n_kv_heads * d_head])
    graph.output('new_v', new_v, 'F32', ['n', 's', n_kv_heads * d_head])
  },

  mlp(graph, config, layer) {
    const { d_model, d_head, n_heads } = config
    const resid_pre = graph.input('resid_pre', 'F32', ['m', d_model])
    const z = graph.input('z', 'F32', ['m', n_heads * d_head])
    const norm = (x: OnnxValue, part: string): OnnxValue =>
      rmsNorm(graph, config, x, block(layer, part))
    const project = (x: OnnxValue, part: string): OnnxValue => linear(graph, x, block(layer, part))

    const attn_out = norm(project(z, 'self_attn.o_proj'), 'post_attention_layernorm')
    const resid_mid = graph.node('Add', [resid_pre, attn_out])
    const normed = norm(resid_mid, 'pre_feedforward_layernorm')
    const gate = graph.node('Gelu', [project(normed, 'mlp.gate_proj')], {
      attributes: { approximate: 'tanh' },
    })
    const hidden = graph.node('Mul', [gate, project(normed, 'mlp.up_proj')])
    const mlp_out = norm(project(hidden, 'mlp.down_proj'), 'post_feedforward_layernorm')
    const resid_post = graph.node('Add', [resid_mid, mlp_out])
    for (const [name, value] of Object.entries({ attn_out, resid_mid, mlp_out, resid_post })) {
      graph.output(name, value, 'F32', ['m', d_model])
    }
  },

  head(graph, config) {
    const { d_model, final_softcap } = config
    const normalized = graph.input('normalized', 'F32', ['m', d_model])
    const gain = graph.node('Add', [graph.weight(gemma2.final_norm), scalar(graph, 'one', 1)])
    const scaled = graph.node(
      'Gemm',
      [graph.node('Mul', [normalized, gain]), graph.weight(gemma2.embedding)],
      { attributes: { transB: 1, alpha: { float: 1 / final_softcap } } },
    )
    const cap = scalar(graph, 'final_softcap', final_softcap)
    return graph.node('Mul', [graph.node('Tanh', [scaled]), cap])
  },
}
