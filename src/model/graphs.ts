/**
 * The graphs of a decoder, one builder for every family: what differs lies in ModelConfig, and in which weights are there.
 *
 * | graph | inputs | outputs |
 * |---|---|---|
 * | attn  | resid_pre [n, s, d_model], past_k, past_v [n, n_kv_heads, p, d_head], last_key I32 [n], n_keys I32 [1], or mask (see AttnKind); with rope also start I64 [1], cos, sin [n_ctx, rotary_dim / 2] | z [n, s, n_heads * d_head], new_k, new_v [n, s, n_kv_heads * d_head] |
 * | mlp   | resid_pre [m, d_model], z [m, n_heads * d_head] | attn_out, resid_mid (unless parallel), mlp_out, resid_post, each [m, d_model] |
 * | head  | normalized [m, d_model]: the final residual, normalized, before gain and bias | none: its logits [m, d_vocab] are returned |
 *
 * m = n_seqs * seq_len, p = past length. The embedding is no graph: rows of a matrix, times a number.
 */

import type { OnnxGraph, OnnxValue } from '../formats/index.ts'
import type { Activation, ModelConfig } from './types.ts'

/**
 * A graph under construction and the weights of its block, by their part (BlockPart; in the head `final_norm`,
 * `final_norm_b`, `unembed`): float32 [d] or [d_out, d_in], whether constants or inputs.
 */
export type WeightedGraph = OnnxGraph & {
  weight(part: string): OnnxValue
  /** Whether the model has this part. */
  has(part: string): boolean
  /** `x W^T` of rows x and a matrix of the model, where it is not a plain Gemm. */
  readonly product?: (x: OnnxValue, part: string) => OnnxValue
}

/** What tells the attention graphs of a model apart, besides which weights there are. */
export type AttnKind = {
  /** Tokens that attention looks back, the query itself included; -1 for all. */
  readonly window: number
  /** Whether queries and keys turn with their position. */
  readonly rope: boolean
  /**
   * Attention in plain operators, for backends whose GroupQueryAttention knows no softcap: past_k and past_v are then as long as
   * the past, and instead of last_key and n_keys there is `mask` [s, p + s], added to the scores; it also makes the window.
   */
  readonly isPlain?: boolean
  /** Instead of resid_pre the inputs are its products q, k, v [n, s, heads * d_head], and the graph has no matrices. */
  readonly isProjected?: boolean
}

/** The first half of a block: `z = softmax(q k^T * query_scale) v` of the normalized residual stream, all heads side by side. */
export function attnGraph(
  graph: WeightedGraph,
  config: ModelConfig,
  { window, rope, isPlain = false, isProjected = false }: AttnKind,
): void {
  const { d_model, d_head, n_heads, n_kv_heads } = config
  const x = isProjected
    ? graph.input('q', 'F32', ['n', 's', n_heads * d_head])
    : graph.input('resid_pre', 'F32', ['n', 's', d_model])
  const past = ['n', n_kv_heads, 'p', d_head]
  const past_k = graph.input('past_k', 'F32', past)
  const past_v = graph.input('past_v', 'F32', past)

  const rows = isProjected
    ? ''
    : graph.node('Reshape', [norm(graph, config, x, 'ln1'), int64(graph, [-1, d_model])])
  const n_s = graph.node('Shape', [x], { attributes: { start: 0, end: 2 } })
  const shape = graph.node('Concat', [n_s, int64(graph, [-1])], { attributes: { axis: 0 } })
  const projected = (part: 'q' | 'k' | 'v'): OnnxValue =>
    part === 'q' ? x : graph.input(part, 'F32', ['n', 's', n_kv_heads * d_head])
  /** `x W^T + b`, each head normalized where the model does that: [n, s, heads * d_head]. */
  const project = (part: 'q' | 'k' | 'v'): OnnxValue => {
    const heads = isProjected ? projected(part) : linear(graph, rows, part)
    if (!graph.has(`${part}_norm`)) return graph.node('Reshape', [heads, shape])
    const apart = graph.node('Reshape', [heads, int64(graph, [-1, d_head])])
    return graph.node('Reshape', [norm(graph, config, apart, `${part}_norm`), shape])
  }

  const rotate = openRotation(graph, config, rope)
  const q = rotate(project('q'), n_heads)
  const new_k = rotate(project('k'), n_kv_heads)
  const new_v = project('v')
  const heads = { q, k: new_k, v: new_v, past_k, past_v }
  const z = isPlain
    ? plainAttention(graph, config, heads)
    : fusedAttention(graph, config, heads, window)
  graph.output('z', z, 'F32', ['n', 's', n_heads * d_head])
  graph.output('new_k', new_k, 'F32', ['n', 's', n_kv_heads * d_head])
  graph.output('new_v', new_v, 'F32', ['n', 's', n_kv_heads * d_head])
}

/** Queries [n, s, n_heads * d_head], new and past keys and values, as `attnGraph` has them. */
type Heads = {
  readonly q: OnnxValue
  readonly k: OnnxValue
  readonly v: OnnxValue
  readonly past_k: OnnxValue
  readonly past_v: OnnxValue
}

function fusedAttention(
  graph: WeightedGraph,
  config: ModelConfig,
  { q, k, v, past_k, past_v }: Heads,
  window: number,
): OnnxValue {
  const last_key = graph.input('last_key', 'I32', ['n'])
  const n_keys = graph.input('n_keys', 'I32', [1])
  const [attended] = graph.nodes(
    'GroupQueryAttention',
    3,
    [q, k, v, past_k, past_v, last_key, n_keys],
    {
      domain: 'com.microsoft',
      attributes: {
        num_heads: config.n_heads,
        kv_num_heads: config.n_kv_heads,
        scale: { float: config.query_scale },
        softcap: { float: config.attn_softcap },
        local_window_size: window,
      },
    },
  )
  return attended!
}

/** Query heads that share a key head lie side by side, so they are rows of one product. */
function plainAttention(
  graph: WeightedGraph,
  { n_heads, n_kv_heads, d_head, query_scale, attn_softcap }: ModelConfig,
  { q, k, v, past_k, past_v }: Heads,
): OnnxValue {
  const group = n_heads / n_kv_heads
  const mask = graph.input('mask', 'F32', ['s', 't'])
  const transpose = (x: OnnxValue, perm: readonly number[]): OnnxValue =>
    graph.node('Transpose', [x], { attributes: { perm } })
  const n_s = graph.node('Shape', [q], { attributes: { start: 0, end: 2 } })
  /** [n, s, heads * d_head] to [n, s, ...split, d_head] */
  const split = (x: OnnxValue, ...heads: readonly number[]): OnnxValue => {
    const tail = int64(graph, [...heads, d_head])
    return graph.node('Reshape', [
      x,
      graph.node('Concat', [n_s, tail], { attributes: { axis: 0 } }),
    ])
  }
  const all = (past: OnnxValue, added: OnnxValue): OnnxValue =>
    graph.node('Concat', [past, transpose(split(added, n_kv_heads), [0, 2, 1, 3])], {
      attributes: { axis: 2 },
    })
  const queries = transpose(split(q, n_kv_heads, group), [0, 2, 3, 1, 4]) // [n, kv, group, s, d_head]
  const n = graph.node('Shape', [q], { attributes: { start: 0, end: 1 } })
  const s = graph.node('Shape', [q], { attributes: { start: 1, end: 2 } })
  const last = (width: number): OnnxValue =>
    graph.node('Concat', [n, int64(graph, [n_kv_heads, -1, width])], { attributes: { axis: 0 } })
  const keys = transpose(all(past_k, k), [0, 1, 3, 2])
  const rows = graph.node('Reshape', [queries, last(d_head)])
  const scaled = graph.node('Mul', [
    graph.node('MatMul', [rows, keys]),
    scalar(graph, 'query_scale', query_scale / (attn_softcap === 0 ? 1 : attn_softcap)),
  ])
  const scores =
    attn_softcap === 0
      ? scaled
      : graph.node('Mul', [
          graph.node('Tanh', [scaled]),
          scalar(graph, 'attn_softcap', attn_softcap),
        ])
  const apart = graph.node(
    'Concat',
    [n, int64(graph, [n_kv_heads, group]), s, int64(graph, [-1])],
    {
      attributes: { axis: 0 },
    },
  )
  const masked = graph.node('Add', [graph.node('Reshape', [scores, apart]), mask])
  const weights = graph.node('Softmax', [masked], { attributes: { axis: -1 } })
  const t = graph.node('Shape', [mask], { attributes: { start: 1, end: 2 } })
  const flat = graph.node('Concat', [n, int64(graph, [n_kv_heads, -1]), t], {
    attributes: { axis: 0 },
  })
  const mixed = graph.node('MatMul', [graph.node('Reshape', [weights, flat]), all(past_v, v)])
  const split_again = graph.node(
    'Concat',
    [n, int64(graph, [n_kv_heads, group]), s, int64(graph, [d_head])],
    { attributes: { axis: 0 } },
  )
  const ordered = transpose(graph.node('Reshape', [mixed, split_again]), [0, 3, 1, 2, 4])
  const flat_heads = graph.node('Concat', [n_s, int64(graph, [-1])], { attributes: { axis: 0 } })
  return graph.node('Reshape', [ordered, flat_heads])
}

/** The products of attention's first half by themselves, before their norms and rotation: [m, heads * d_head] each. */
export function projectGraph(graph: WeightedGraph, config: ModelConfig): void {
  const { d_model, d_head, n_heads, n_kv_heads } = config
  const x = norm(graph, config, graph.input('resid_pre', 'F32', ['m', d_model]), 'ln1')
  for (const [part, heads] of Object.entries({ q: n_heads, k: n_kv_heads, v: n_kv_heads }))
    graph.output(part, linear(graph, x, part), 'F32', ['m', heads * d_head])
}

/** The second half: attention's output joins the stream, then the MLP's. In a parallel block the MLP reads resid_pre. */
export function mlpGraph(graph: WeightedGraph, config: ModelConfig): void {
  const { d_model, d_head, n_heads } = config
  const resid_pre = graph.input('resid_pre', 'F32', ['m', d_model])
  const z = graph.input('z', 'F32', ['m', n_heads * d_head])
  const { attn_out, sum, normed } = joinAttention(graph, config, resid_pre, linear(graph, z, 'o'))
  const hidden = hiddenOf(graph, config, normed)
  outputs(graph, config, { attn_out, resid_mid: config.parallel ? undefined : sum })
  joinMlp(graph, config, sum, linear(graph, hidden, 'down'))
}

/**
 * A block in pieces, for a store that does not keep float32 (blockPieces.ts); m rows of inputs and outputs, s rows of a slice of a
 * matrix: `normalize` gives what attention's products read; `product` any product with `w` and `w_b`; `join` attn_out,
 * `sum` = resid_pre + attn_out, and `normed`, what the MLP reads; `hidden` columns of the hidden layer; `end` mlp_out and resid_post.
 */
export const BLOCK_PIECES = {
  normalize(graph: WeightedGraph, config: ModelConfig): void {
    const resid_pre = graph.input('resid_pre', 'F32', ['m', config.d_model])
    outputs(graph, config, { normed: norm(graph, config, resid_pre, 'ln1') })
  },
  product(graph: WeightedGraph): void {
    graph.output('y', linear(graph, graph.input('x', 'F32', ['m', 'k']), 'w'), 'F32', ['m', 's'])
  },
  join(graph: WeightedGraph, config: ModelConfig): void {
    const resid_pre = graph.input('resid_pre', 'F32', ['m', config.d_model])
    const attended = graph.input('attended', 'F32', ['m', config.d_model])
    const { attn_out, ...rest } = joinAttention(graph, config, resid_pre, attended)
    outputs(graph, config, { attn_out: nodeOf(graph, attn_out, attended), ...rest })
  },
  hidden(graph: WeightedGraph, config: ModelConfig): void {
    const normed = graph.input('normed', 'F32', ['m', config.d_model])
    graph.output('hidden', hiddenOf(graph, config, normed), 'F32', ['m', 's'])
  },
  end(graph: WeightedGraph, config: ModelConfig): void {
    const sum = graph.input('sum', 'F32', ['m', config.d_model])
    joinMlp(graph, config, sum, graph.input('mlp', 'F32', ['m', config.d_model]))
  },
} as const

/** A value as a node's, since no input can be an output. */
const nodeOf = (graph: WeightedGraph, value: OnnxValue, input: OnnxValue): OnnxValue =>
  value === input ? graph.node('Identity', [value]) : value

/** @param attended [m, d_model], the product of z. */
function joinAttention(
  graph: WeightedGraph,
  config: ModelConfig,
  resid_pre: OnnxValue,
  attended: OnnxValue,
) {
  const attn_out = postNorm(graph, config, attended, 'ln1_post')
  const sum = graph.node('Add', [resid_pre, attn_out])
  const normed = norm(graph, config, config.parallel ? resid_pre : sum, 'ln2')
  return { attn_out, sum, normed }
}

/** Columns of the hidden layer, as many as gate and up have rows. */
function hiddenOf(graph: WeightedGraph, config: ModelConfig, normed: OnnxValue): OnnxValue {
  const gated = graph.has('gate') ? activate(graph, config.act, linear(graph, normed, 'gate')) : ''
  const up = linear(graph, normed, 'up')
  return gated === '' ? activate(graph, config.act, up) : graph.node('Mul', [gated, up])
}

/** @param product of the hidden layer and down, [m, d_model]. */
function joinMlp(
  graph: WeightedGraph,
  config: ModelConfig,
  sum: OnnxValue,
  product: OnnxValue,
): void {
  const mlp_out = nodeOf(graph, postNorm(graph, config, product, 'ln2_post'), 'mlp')
  outputs(graph, config, { mlp_out, resid_post: graph.node('Add', [sum, mlp_out]) })
}

/** Makes values outputs [m, d_model] under their names. */
function outputs(
  graph: WeightedGraph,
  { d_model }: ModelConfig,
  values: Readonly<Record<string, OnnxValue | undefined>>,
): void {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined) graph.output(name, value, 'F32', ['m', d_model])
}

/** `(normalized * gain + bias) U^T`, softly capped where the model does that. @returns the logits, not yet an output. */
export function headGraph(graph: WeightedGraph, config: ModelConfig): OnnxValue {
  const { d_model, final_softcap } = config
  const normalized = graph.input('normalized', 'F32', ['m', d_model])
  const gained = graph.node('Mul', [normalized, graph.weight('final_norm')])
  const x = graph.has('final_norm_b')
    ? graph.node('Add', [gained, graph.weight('final_norm_b')])
    : gained
  const alpha = { float: final_softcap === 0 ? 1 : 1 / final_softcap }
  const logits = graph.node('Gemm', [x, graph.weight('unembed')], {
    attributes: { transB: 1, alpha },
  })
  if (final_softcap === 0) return logits
  const cap = scalar(graph, 'final_softcap', final_softcap)
  return graph.node('Mul', [graph.node('Tanh', [logits]), cap])
}

/** Declares the inputs of rotation; without rope there are none, and nothing turns. */
function openRotation(
  graph: WeightedGraph,
  { rope }: ModelConfig,
  turns: boolean,
): (heads: OnnxValue, num_heads: number) => OnnxValue {
  if (!turns || rope === undefined) return (heads) => heads
  const { rotary_dim } = rope
  const start = graph.input('start', 'I64', [1])
  const cos = graph.input('cos', 'F32', ['c', rotary_dim / 2])
  const sin = graph.input('sin', 'F32', ['c', rotary_dim / 2])
  return (heads, num_heads) =>
    graph.node('RotaryEmbedding', [heads, start, cos, sin], {
      domain: 'com.microsoft',
      attributes: { num_heads, rotary_embedding_dim: rotary_dim },
    })
}

/** RMSNorm `x / sqrt(mean(x^2) + eps) * w`, or LayerNorm `(x - mean) / sqrt(var + eps) * w + b`, over the last axis. */
function norm(graph: WeightedGraph, config: ModelConfig, x: OnnxValue, part: string): OnnxValue {
  const attributes = { axis: -1, epsilon: { float: config.norm_eps }, stash_type: 1 }
  if (config.norm === 'rms') {
    return graph.node('SimplifiedLayerNormalization', [x, graph.weight(part)], { attributes })
  }
  const bias = graph.has(`${part}_b`) ? [graph.weight(`${part}_b`)] : []
  return graph.node('LayerNormalization', [x, graph.weight(part), ...bias], { attributes })
}

/** A norm that only some models have. */
const postNorm = (
  graph: WeightedGraph,
  config: ModelConfig,
  x: OnnxValue,
  part: string,
): OnnxValue => (graph.has(part) ? norm(graph, config, x, part) : x)

/** `x W^T`, and `+ b` where there is one, for x [m, d_in] and W [d_out, d_in]. */
function linear(graph: WeightedGraph, x: OnnxValue, part: string): OnnxValue {
  const bias = graph.has(`${part}_b`) ? [graph.weight(`${part}_b`)] : []
  if (graph.product === undefined)
    return graph.node('Gemm', [x, graph.weight(part), ...bias], { attributes: { transB: 1 } })
  const product = graph.product(x, part)
  return bias.length === 0 ? product : graph.node('Add', [product, ...bias])
}

function activate(graph: WeightedGraph, act: Activation, x: OnnxValue): OnnxValue {
  switch (act) {
    case 'gelu_tanh':
      return graph.node('Gelu', [x], { attributes: { approximate: 'tanh' } })
    case 'gelu':
      return graph.node('Gelu', [x], { attributes: { approximate: 'none' } })
    case 'silu':
      return graph.node('Mul', [x, graph.node('Sigmoid', [x])])
    case 'relu':
      return graph.node('Relu', [x])
    default:
      throw new TypeError(`Unknown activation ${act satisfies never}.`)
  }
}

const scalar = (graph: WeightedGraph, name: string, value: number): OnnxValue =>
  graph.constant(name, 'F32', [], new Uint8Array(Float32Array.of(value).buffer))

/** A constant of int64: a shape. */
function int64(graph: WeightedGraph, values: readonly number[]): OnnxValue {
  return graph.node('Constant', [], { attributes: { value_ints: values } })
}
