/**
 * Passes of few rows, as generating makes them: what the graphs compute, by kernels over packed weights.
 *
 * Products and attention run on the team's threads; what is only as large as a row is done here. The graphs (graphs.ts) are
 * the twin: a test runs both on every family.
 */

import type { BlockPart } from './architecture.ts'
import { MAX_ROWS, type Team } from './kernels/index.ts'
import { appendKeys, reserveKeys } from './kvCache.ts'
import { normalize } from './logits.ts'
import type { FewRows, MlpOutput } from './network.ts'
import type { PackedStore } from './packedWeights.ts'
import { openRotary } from './rotary.ts'
import type { KvCache, ModelConfig } from './types.ts'

/** Opens the passes over a store; they hold nothing of their own. */
export function openFewRows(config: ModelConfig, store: PackedStore, team: Team): FewRows {
  const { d_model, d_head, n_heads, n_kv_heads, d_vocab } = config
  const rotary = config.rope === undefined ? undefined : openRotary(config.rope, config.n_ctx)
  const vector = (layer: number, part: BlockPart): Float32Array | undefined =>
    store.vectors[layer]!.get(part)

  /** Rows normalized, gained and shifted where the model does that. */
  const norm = (layer: number, part: BlockPart, x: Float32Array, d = d_model): Float32Array => {
    const gain = vector(layer, part)
    if (gain === undefined) return x
    const out = normalize(x, { ...config, d_model: d })
    const shift = vector(layer, `${part}_b` as BlockPart)
    for (let i = 0; i < out.length; i++) out[i] = out[i]! * gain[i % d]! + (shift?.[i % d] ?? 0)
    return out
  }

  /** Several products of x [m, d_in], biases added. */
  const project = <Part extends BlockPart>(
    layer: number,
    parts: readonly Part[],
    x: Float32Array,
  ): Record<Part, Float32Array> => {
    const products = parts.map((part) => {
      const weight = store.matrix(layer, part)!
      return { part, weight, y: new Float32Array((x.length / weight.d_in) * weight.d_out) }
    })
    team.products(x, x.length / products[0]!.weight.d_in, products)
    for (const { part, y } of products) {
      const bias = vector(layer, `${part}_b` as BlockPart)
      if (bias !== undefined) for (let i = 0; i < y.length; i++) y[i]! += bias[i % bias.length]!
    }
    return Object.fromEntries(products.map(({ part, y }) => [part, y])) as Record<
      Part,
      Float32Array
    >
  }

  /** Turns channels (j, j + half) of every head [m, heads, d_head] by its row's position, in place. */
  const rotate = (
    layer: number,
    x: Float32Array,
    heads: number,
    start: number,
    seq_len: number,
  ) => {
    if (rotary === undefined) return
    const { cos, sin, n_positions } = rotary(layer, start + seq_len)
    const half = cos.length / n_positions
    const rows = x.length / (heads * d_head)
    for (let row = 0; row < rows; row++) {
      const at = (start + (row % seq_len)) * half
      for (let head = 0; head < heads; head++) {
        const from = (row * heads + head) * d_head
        for (let j = 0; j < half; j++) {
          const a = x[from + j]!
          const b = x[from + half + j]!
          x[from + j] = a * cos[at + j]! - b * sin[at + j]!
          x[from + half + j] = b * cos[at + j]! + a * sin[at + j]!
        }
      }
    }
  }

  return {
    max_rows: MAX_ROWS,

    /** @param cache of the team's room. */
    async attn(layer, n_seqs, resid_pre, cache) {
      const start = cache!.length
      const seq_len = resid_pre.length / d_model / n_seqs
      const x = norm(layer, 'ln1', resid_pre)
      const { q, k, v } = project(layer, ['q', 'k', 'v'], x)
      const queries = norm(layer, 'q_norm', q, d_head)
      const keys = norm(layer, 'k_norm', k, d_head)
      rotate(layer, queries, n_heads, start, seq_len)
      rotate(layer, keys, n_kv_heads, start, seq_len)
      reserveKeys(cache!, start + seq_len, config)
      appendKeys(cache!, cache!.layers[layer]!.k, keys, n_kv_heads, d_head)
      appendKeys(cache!, cache!.layers[layer]!.v, v, n_kv_heads, d_head)
      return attend(team, config, layer, cache!, seq_len, queries)
    },

    async mlp<Name extends MlpOutput>(
      layer: number,
      resid_pre: Float32Array,
      z: Float32Array,
      outputs: readonly Name[],
    ) {
      const attn_out = norm(layer, 'ln1_post', project(layer, ['o'], z).o)
      const resid_mid = resid_pre.map((value, i) => value + attn_out[i]!)
      const x = norm(layer, 'ln2', config.parallel ? resid_pre : resid_mid)
      const hidden = activated(layer, x)
      const mlp_out = norm(layer, 'ln2_post', project(layer, ['down'], hidden).down)
      const resid_post = resid_mid.map((value, i) => value + mlp_out[i]!)
      const all = { attn_out, resid_mid, mlp_out, resid_post }
      return Object.fromEntries(outputs.map((name) => [name, all[name]])) as Record<
        Name,
        Float32Array
      >
    },

    async logits(normalized) {
      const m = normalized.length / d_model
      const gain = store.head.get('final_norm')!
      const shift = store.head.get('final_norm_b')
      const x = normalized.map(
        (value, i) => value * gain[i % d_model]! + (shift?.[i % d_model] ?? 0),
      )
      const logits = new Float32Array(m * d_vocab)
      const { final_softcap: softcap } = config
      team.products(x, m, [{ weight: store.unembedding, y: logits, softcap }])
      return logits
    },
  }

  function activated(layer: number, x: Float32Array): Float32Array {
    if (store.matrix(layer, 'gate') === undefined) {
      const { up } = project(layer, ['up'], x)
      team.activate(config.act, up)
      return up
    }
    const { gate, up } = project(layer, ['gate', 'up'], x)
    team.activate(config.act, gate, up)
    return gate
  }
}

/** Attention of every sequence's new tokens over its keys. @returns z [m, n_heads * d_head] */
function attend(
  team: Team,
  config: ModelConfig,
  layer: number,
  { n_seqs, capacity, length, layers }: KvCache,
  seq_len: number,
  q: Float32Array,
): Float32Array {
  const { d_head, n_heads, n_kv_heads, query_scale, attn_softcap, windows } = config
  const { k, region } = layers[layer]!
  const z = new Float32Array(q.length)
  const own = seq_len * n_heads * d_head
  const row = n_kv_heads * capacity * d_head
  for (let seq = 0; seq < n_seqs; seq++)
    team.attend({
      q: q.subarray(seq * own, (seq + 1) * own),
      z: z.subarray(seq * own, (seq + 1) * own),
      cache: region!,
      k_at: seq * row,
      v_at: k.length + seq * row,
      m: seq_len,
      length: length + seq_len,
      ...{ n_heads, n_kv_heads, d_head, n_ctx: capacity },
      scale: query_scale,
      softcap: attn_softcap,
      window: windows[layer]!,
    })
  return z
}
