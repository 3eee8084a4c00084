/**
 * A model's pass as functions from arrays to arrays: embed, two halves a block, head.
 *
 * Arrays are [m, width] with m = n_seqs * seq_len, row-major. One session serves every layer of the same structure; its weights
 * are inputs, which a store gives. Many rows go through in chunks, so that what a graph makes inside stays small whatever
 * the batch. Outputs are not preallocated: onnxruntime-node 1.30 writes into a given array and then copies that once more
 * into its result, so that a given array costs more than none. For the same reason only new keys and values leave a
 * session, never the whole cache.
 */

import type { Tensor } from '#onnxruntime'
import type { BlockPart, ModelWeights } from './architecture.ts'
import { openBlockPieces } from './blockPieces.ts'
import { openDigitBlocks } from './digitBlocks.ts'
import { giveBack } from './giveBack.ts'
import {
  type Backend,
  float,
  type GraphSession,
  int32,
  int64,
  openGraphSession,
} from './graphSession.ts'
import { attnGraph, mlpGraph, type WeightedGraph } from './graphs.ts'
import { openHead } from './head.ts'
import { appendKeys, reserveKeys, viewRows } from './kvCache.ts'
import { chunkRows } from './memory.ts'
import { openRotary } from './rotary.ts'
import { runRows } from './runRows.ts'
import type { KvCache, ModelConfig } from './types.ts'
import type { WeightStore } from './weights.ts'

/** The outputs of a block's second half, each [m, d_model]; a parallel block has no resid_mid. */
export type MlpOutput = 'attn_out' | 'resid_mid' | 'mlp_out' | 'resid_post'

export type Network = {
  readonly config: ModelConfig
  /** ids [m] to hook_embed [m, d_model]: rows times embed_scale, learned positions not yet added. */
  embed(ids: Int32Array): Promise<Float32Array>
  /** Learned positions `start` to `start + n`, [n, d_model]; absent where positions rotate. */
  readonly positions?: (start: number, n: number) => Promise<Float32Array>
  /** resid_pre [m, d_model] to z [m, n_heads * d_head]; keys and values go into the cache at `cache.length`, which stays. */
  attn(
    layer: number,
    n_seqs: number,
    resid_pre: Float32Array,
    cache?: KvCache,
  ): Promise<Float32Array>
  /** resid_pre and z to the outputs asked for. */
  mlp<Name extends MlpOutput>(
    layer: number,
    resid_pre: Float32Array,
    z: Float32Array,
    outputs: readonly Name[],
  ): Promise<Record<Name, Float32Array>>
  /** normalized [m, d_model] to logits [m, d_vocab]. */
  logits(normalized: Float32Array, signal?: AbortSignal): Promise<Float32Array>
  /** Cross-entropy in nats of targets [m]; [m, d_vocab] never exists as a whole. */
  losses(normalized: Float32Array, targets: Int32Array, signal?: AbortSignal): Promise<Float32Array>
  close(): Promise<void>
}

export type NetworkOptions = {
  readonly threads: number
  readonly backend?: Backend
  readonly few?: Pick<FewRows, 'max_rows' | 'logits'> & Partial<FewRows>
  /** Matrices of blocks as digits that ONNX Runtime keeps, read once by this; the store then has none. */
  readonly digits?: (layer: number, part: BlockPart) => Promise<Float32Array>
}

/** Another way through for passes of few rows; attention only with a cache. */
export type FewRows = Pick<Network, 'attn' | 'mlp' | 'logits'> & { readonly max_rows: number }

/**
 * Opens the sessions of a model over a store of its weights, which the network then owns.
 *
 * On the CPU one session serves all layers of a kind. An accelerator keeps the weights, so there every layer has its own.
 */
export async function openNetwork(
  config: ModelConfig,
  weights: ModelWeights,
  store: WeightStore,
  { threads, backend = 'cpu', few, digits }: NetworkOptions,
): Promise<Network> {
  const { d_model, d_mlp, d_head, n_heads, n_kv_heads, n_layers } = config
  const d_z = n_heads * d_head
  const sessions: GraphSession[] = []
  const hasConstants = backend !== 'cpu'
  const open = async (layer: number, name: string, build: (graph: WeightedGraph) => void) => {
    const block = weights.blocks[layer]!
    const shapes = new Map(Object.entries(block).map(([part, { shape }]) => [part, shape]))
    // A copy: the store's own array may lie in room that the next reading fills.
    const read = async (part: string): Promise<Float32Array> =>
      (await store.block(layer, [part as BlockPart])).get(part as BlockPart)!.slice()
    const constants = hasConstants ? { backend, areDigits: false, read } : undefined
    // Digits lie there three bytes a number, and quick products make attention weigh more: its arrays are kept.
    const isLean = !store.isFloat && digits === undefined
    const session = await openGraphSession(name, shapes, { threads, constants, isLean }, build)
    sessions.push(session)
    return session
  }
  const isWhole = hasConstants || store.isFloat
  const pieces = isWhole
    ? undefined
    : digits === undefined
      ? await openBlockPieces(config, weights, store, threads)
      : await openDigitBlocks(config, weights, digits, threads)
  // GroupQueryAttention on accelerators knows no softcap and says nothing.
  const isPlain = backend !== 'cpu' && config.attn_softcap > 0
  const rope = config.rope !== undefined
  const layers: { attn: GraphSession; mlp: GraphSession | undefined }[] = []
  for (const [layer, window] of config.windows.entries()) {
    // What tells layers of one window apart is in their inputs.
    const same = hasConstants ? layer : config.windows.indexOf(window)
    const attn =
      layers[same]?.attn ??
      (await open(layer, `attn ${layer}`, (graph) =>
        attnGraph(graph, config, { window, rope, isPlain, isProjected: !isWhole }),
      ))
    const openMlp = () => open(layer, `mlp ${layer}`, (graph) => mlpGraph(graph, config))
    const mlp = isWhole
      ? ((hasConstants ? undefined : layers[0]?.mlp) ?? (await openMlp()))
      : undefined
    layers.push({ attn, mlp })
  }
  const head = await openHead(config, weights, store, threads, backend)
  const rotary = config.rope === undefined ? undefined : openRotary(config.rope, config.n_ctx)

  /** A block's weights as feeds, those of the block after it fetched ahead. */
  const weightsOf = async (
    layer: number,
    { parts }: GraphSession,
  ): Promise<Record<string, Tensor>> => {
    if (parts.length === 0) return {}
    const next = (layer + 1) % n_layers
    const arrays = await store.block(layer, parts as readonly BlockPart[], next)
    const block = weights.blocks[layer]!
    return Object.fromEntries(
      Array.from(arrays, ([part, array]) => [part, float(array, block[part]!.shape)]),
    )
  }

  /** Sequences of one chunk, with their rows of the cache. */
  const runAttn = async (
    session: GraphSession,
    feeds: Record<string, Tensor>,
    layer: number,
    n_seqs: number,
    resid_pre: Float32Array,
    cache: KvCache | undefined,
  ): Promise<Float32Array> => {
    const seq_len = resid_pre.length / d_model / n_seqs
    const start = cache?.length ?? 0
    const n_keys = start + seq_len
    const past = [n_seqs, n_kv_heads, start === 0 ? 0 : isPlain ? start : cache!.capacity, d_head]
    const table = rotary?.(layer, n_keys)
    const pastOf = (kind: 'k' | 'v'): Tensor => {
      if (start === 0) return float(new Float32Array(0), past)
      const buffer = cache!.layers[layer]![kind]
      return float(
        isPlain ? filled(buffer, cache!.capacity, start, d_head) : unshared(buffer),
        past,
      )
    }
    const keys = isPlain
      ? { mask: float(maskOf(seq_len, start, config.windows[layer]!), [seq_len, n_keys]) }
      : {
          // Padding counts as tokens: it lies on the right, where no real token looks.
          last_key: int32(new Int32Array(n_seqs).fill(n_keys - 1), [n_seqs]),
          n_keys: int32(Int32Array.of(n_keys), [1]),
        }
    const projected = await pieces?.project(layer, resid_pre)
    const rows = Object.entries(projected ?? { resid_pre }).map(([name, array]) => {
      const d = array.length / n_seqs / seq_len
      return [name, float(array, [n_seqs, seq_len, d])]
    })
    const inputs = {
      ...feeds,
      ...keys,
      ...(Object.fromEntries(rows) as Record<string, Tensor>),
      past_k: pastOf('k'),
      past_v: pastOf('v'),
      ...(table === undefined
        ? {}
        : {
            start: int64(start),
            cos: float(table.cos, [table.n_positions, table.cos.length / table.n_positions]),
            sin: float(table.sin, [table.n_positions, table.sin.length / table.n_positions]),
          }),
    }
    const outputs = cache === undefined ? (['z'] as const) : (['z', 'new_k', 'new_v'] as const)
    const { z, new_k, new_v } = await session.run<'z' | 'new_k' | 'new_v'>(inputs, outputs)
    for (const array of Object.values(projected ?? {})) giveBack(array)
    if (cache === undefined) return z
    const { k, v } = cache.layers[layer]!
    for (const [buffer, added] of [
      [k, new_k],
      [v, new_v],
    ] as const) {
      appendKeys(cache, buffer, added, n_kv_heads, d_head)
      giveBack(added)
    }
    return z
  }

  return {
    config,

    async embed(ids) {
      const rows = await store.embed(ids)
      const { embed_scale } = config
      if (embed_scale !== 1) for (let i = 0; i < rows.length; i++) rows[i]! *= embed_scale
      return rows
    },

    ...(weights.pos === undefined
      ? {}
      : { positions: (start: number, n: number) => store.positions(start, n) }),

    async attn(layer, n_seqs, resid_pre, cache) {
      const seq_len = resid_pre.length / d_model / n_seqs
      if (cache !== undefined) reserveKeys(cache, cache.length + seq_len, config)
      if (few?.attn !== undefined && cache !== undefined && n_seqs * seq_len <= few.max_rows)
        return few.attn(layer, n_seqs, resid_pre, cache)
      const session = layers[layer]!.attn
      const feeds = await weightsOf(layer, session)
      // Several new tokens after a past: GroupQueryAttention then takes one row at a time.
      const isChunk = cache !== undefined && cache.length > 0 && seq_len > 1
      const rows = isChunk ? seq_len : chunkRows(d_z)
      const step = Math.max(1, Math.floor(rows / seq_len))
      if (step >= n_seqs) return runAttn(session, feeds, layer, n_seqs, resid_pre, cache)
      const z = new Float32Array(n_seqs * seq_len * d_z)
      for (let seq = 0; seq < n_seqs; seq += step) {
        const n = Math.min(step, n_seqs - seq)
        const own = resid_pre.subarray(seq * seq_len * d_model, (seq + n) * seq_len * d_model)
        const part = cache === undefined ? undefined : viewRows(cache, seq, n)
        const found = await runAttn(session, feeds, layer, n, own, part)
        z.set(found, seq * seq_len * d_z)
        giveBack(found)
      }
      return z
    },

    async mlp<Name extends MlpOutput>(
      layer: number,
      resid_pre: Float32Array,
      z: Float32Array,
      outputs: readonly Name[],
    ) {
      const m = resid_pre.length / d_model
      if (few?.mlp !== undefined && m <= few.max_rows) return few.mlp(layer, resid_pre, z, outputs)
      if (pieces !== undefined) return pieces.mlp(layer, resid_pre, z, outputs)
      const session = layers[layer]!.mlp!
      const feeds = await weightsOf(layer, session)
      return runRows(session, { resid_pre, z }, outputs, { m, most: chunkRows(d_mlp), feeds })
    },

    logits: (normalized, signal) =>
      few !== undefined && normalized.length <= few.max_rows * d_model
        ? few.logits(normalized)
        : head.logits(normalized, signal),
    losses: head.losses,

    async close() {
      await Promise.all([
        head.close(),
        pieces?.close(),
        ...sessions.map((session) => session.close()),
      ])
      await store.close()
    },
  }
}

/** ONNX Runtime takes no view of shared memory. */
const unshared = (array: Float32Array): Float32Array =>
  array.buffer instanceof SharedArrayBuffer ? new Float32Array(array) : array

/** The first `length` of every row's `capacity` keys, side by side. */
function filled(
  buffer: Float32Array,
  capacity: number,
  length: number,
  d_head: number,
): Float32Array {
  const rows = buffer.length / (capacity * d_head)
  const found = new Float32Array(rows * length * d_head)
  for (let row = 0; row < rows; row++) {
    const from = row * capacity * d_head
    found.set(buffer.subarray(from, from + length * d_head), row * length * d_head)
  }
  return found
}

/** [seq_len, start + seq_len]: 0 where a token sees a key, far below any score where not. */
function maskOf(seq_len: number, start: number, window: number): Float32Array {
  const n_keys = start + seq_len
  const mask = new Float32Array(seq_len * n_keys).fill(-1e30)
  for (let t = 0; t < seq_len; t++) {
    const end = start + t + 1
    mask.fill(0, t * n_keys + (window < 0 ? 0 : Math.max(0, end - window)), t * n_keys + end)
  }
  return mask
}
