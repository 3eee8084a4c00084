/**
 * A model's sessions (embed, two a block, head), each as a function from arrays to arrays.
 *
 * Arrays are [m, width] with m = n_seqs * seq_len, row-major. Outputs are not preallocated: onnxruntime-node 1.30 writes
 * into a given array and then copies that once more into its result, so that a given array costs more than none. For
 * the same reason only new keys and values leave a session, never the whole cache.
 */

import { type InferenceSession, Tensor } from '#onnxruntime'
import type { OnnxGraph, OnnxValue } from '../formats/index.ts'
import type { Architecture } from './architecture.ts'
import type { Checkpoint } from './checkpoint.ts'
import { appendKeys, viewRow } from './kvCache.ts'
import { openSession } from './session.ts'
import type { KvCache, ModelConfig } from './types.ts'

/** The outputs of a block's mlp session, each [m, d_model]. */
export type MlpOutput = 'attn_out' | 'resid_mid' | 'mlp_out' | 'resid_post'

export type Network = {
  readonly config: ModelConfig
  /** ids [m] to hook_embed [m, d_model]. */
  embed(ids: Int32Array): Promise<Float32Array>
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
  logits(normalized: Float32Array): Promise<Float32Array>
  /** Cross-entropy in nats of targets [m]; the logits never leave ONNX Runtime. */
  losses(normalized: Float32Array, targets: Int32Array): Promise<Float32Array>
  close(): Promise<void>
}

/** Opens every session of a model, one after another so that loading needs little memory beyond the weights. */
export async function openNetwork(
  architecture: Architecture,
  config: ModelConfig,
  checkpoint: Checkpoint,
  threads: number,
): Promise<Network> {
  const sessions: InferenceSession[] = []
  const open = async (
    name: string,
    build: Parameters<typeof openSession>[3],
  ): Promise<InferenceSession> => {
    const session = await openSession(name, checkpoint, threads, build)
    sessions.push(session)
    return session
  }
  const embed = await open('embed', (graph) => architecture.embed(graph, config))
  const blocks: { attn: InferenceSession; mlp: InferenceSession }[] = []
  for (let layer = 0; layer < config.n_layers; layer++) {
    blocks.push({
      attn: await open(`attn ${layer}`, (graph) => architecture.attn(graph, config, layer)),
      mlp: await open(`mlp ${layer}`, (graph) => architecture.mlp(graph, config, layer)),
    })
  }
  const head = await open('head', (graph) => {
    addLosses(graph, config, architecture.head(graph, config))
  })

  const { d_model, d_head, n_heads, n_kv_heads } = config
  const { cos, sin } = rotaryTables(config)
  const runHead = async (
    output: 'logits' | 'losses',
    normalized: Float32Array,
    targets: Int32Array,
  ): Promise<Float32Array> => {
    const m = normalized.length / d_model
    const feeds = { normalized: float(normalized, [m, d_model]), targets: int32(targets, [m, 1]) }
    return run(head, feeds, [output]).then((result) => result[output])
  }

  const runAttn = async (
    layer: number,
    n_seqs: number,
    resid_pre: Float32Array,
    cache: KvCache | undefined,
  ): Promise<Float32Array> => {
    const seq_len = resid_pre.length / d_model / n_seqs
    const start = cache?.length ?? 0
    const n_keys = start + seq_len
    const past = [n_seqs, n_kv_heads, cache?.n_ctx ?? 0, d_head]
    const feeds = {
      resid_pre: float(resid_pre, [n_seqs, seq_len, d_model]),
      past_k: float(cache?.k[layer] ?? new Float32Array(0), past),
      past_v: float(cache?.v[layer] ?? new Float32Array(0), past),
      // Padding counts as tokens: it lies on the right, where no real token looks.
      last_key: int32(new Int32Array(n_seqs).fill(n_keys - 1), [n_seqs]),
      n_keys: int32(Int32Array.of(n_keys), [1]),
      start: new Tensor('int64', BigInt64Array.of(BigInt(start)), [1]),
      cos,
      sin,
    }
    const session = blocks[layer]!.attn
    if (cache === undefined) return run(session, feeds, ['z']).then((out) => out.z)
    const { z, new_k, new_v } = await run(session, feeds, ['z', 'new_k', 'new_v'])
    appendKeys(cache, cache.k[layer]!, new_k, n_kv_heads, d_head)
    appendKeys(cache, cache.v[layer]!, new_v, n_kv_heads, d_head)
    return z
  }

  return {
    config,

    embed: (ids) =>
      run(embed, { ids: int32(ids, [ids.length]) }, ['hook_embed']).then((out) => out.hook_embed),

    async attn(layer, n_seqs, resid_pre, cache) {
      const width = resid_pre.length / n_seqs
      const isChunk = cache !== undefined && cache.length > 0 && width > d_model
      if (!isChunk || n_seqs === 1) return runAttn(layer, n_seqs, resid_pre, cache)
      // Several new tokens after a past: GroupQueryAttention then takes one row at a time.
      const z = new Float32Array((resid_pre.length / d_model) * n_heads * d_head)
      for (let row = 0; row < n_seqs; row++) {
        const own = resid_pre.subarray(row * width, (row + 1) * width)
        z.set(await runAttn(layer, 1, own, viewRow(cache, row)), (row * z.length) / n_seqs)
      }
      return z
    },

    async mlp(layer, resid_pre, z, outputs) {
      const m = resid_pre.length / d_model
      const feeds = {
        resid_pre: float(resid_pre, [m, d_model]),
        z: float(z, [m, n_heads * d_head]),
      }
      return run(blocks[layer]!.mlp, feeds, outputs)
    },

    logits: (normalized) =>
      runHead('logits', normalized, new Int32Array(normalized.length / d_model)),

    losses: (normalized, targets) => runHead('losses', normalized, targets),

    async close() {
      await Promise.all(sessions.map((session) => session.release()))
    },
  }
}

const float = (data: Float32Array, dims: readonly number[]): Tensor =>
  new Tensor('float32', data, dims)

const int32 = (data: Int32Array, dims: readonly number[]): Tensor => new Tensor('int32', data, dims)

/** Runs a session for the float outputs named; it computes the others too, but only these are copied out. */
async function run<Name extends string>(
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  outputs: readonly Name[],
): Promise<Record<Name, Float32Array>> {
  const result = await session.run(feeds, outputs)
  const arrays = outputs.map((name) => [name, result[name]!.data])
  return Object.fromEntries(arrays) as Record<Name, Float32Array>
}

/** `losses = -log_softmax(logits)[target]`, targets and losses [m, 1]; the slow twin is crossEntropy. */
function addLosses(graph: OnnxGraph, { d_vocab }: ModelConfig, logits: OnnxValue): void {
  const targets = graph.input('targets', 'I32', ['m', 1])
  const logProbs = graph.node('LogSoftmax', [logits], { attributes: { axis: 1 } })
  const chosen = graph.node('GatherElements', [logProbs, targets], { attributes: { axis: 1 } })
  graph.output('losses', graph.node('Neg', [chosen]), 'F32', ['m', 1])
  graph.output('logits', logits, 'F32', ['m', d_vocab])
}

/** Rotary tables [n_ctx, d_head / 2] of `position * theta^(-2j / d_head)`, shared by all layers. */
function rotaryTables(config: ModelConfig): { cos: Tensor; sin: Tensor } {
  const half = config.d_head / 2
  const table = (f: (angle: number) => number): Tensor => {
    const data = new Float32Array(config.n_ctx * half)
    for (let position = 0; position < config.n_ctx; position++) {
      for (let j = 0; j < half; j++) {
        data[position * half + j] = f(position * config.rope_theta ** (-j / half))
      }
    }
    return float(data, [config.n_ctx, half])
  }
  return { cos: table(Math.cos), sin: table(Math.sin) }
}
