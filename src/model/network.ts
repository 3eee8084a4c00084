/** A model's sessions: embed, two a block, head; each run on plain arrays, written in place into the arrays given. */

import type { InferenceSession } from '#onnxruntime'
import { Tensor } from '#onnxruntime'
import type { Architecture, WeightedGraph } from './architecture.ts'
import type { Checkpoint } from './checkpoint.ts'
import { openSession } from './session.ts'
import type { KvCache, ModelConfig } from './types.ts'

/** The four outputs of a block's mlp session, each [m, d_model]. */
export const MLP_OUTPUTS = ['attn_out', 'resid_mid', 'mlp_out', 'resid_post'] as const
export type MlpOutput = (typeof MLP_OUTPUTS)[number]

/** Arrays are [m, width] with m = n_seqs * seq_len, row-major; outputs are preallocated by the caller. */
export type Network = {
  readonly config: ModelConfig
  /** ids [m] to hook_embed [m, d_model]. */
  embed(ids: Int32Array, out: Float32Array): Promise<void>
  /** resid_pre [m, d_model] to z [m, n_heads * d_head]; writes keys and values at `cache.length` without moving it. */
  attn(
    layer: number,
    n_seqs: number,
    resid_pre: Float32Array,
    z: Float32Array,
    cache?: KvCache,
  ): Promise<void>
  /** resid_pre and z to the outputs given. */
  mlp(
    layer: number,
    resid_pre: Float32Array,
    z: Float32Array,
    out: Partial<Record<MlpOutput, Float32Array>>,
  ): Promise<void>
  /** normalized [m, d_model] to logits [m, d_vocab]. */
  head(normalized: Float32Array, logits: Float32Array): Promise<void>
  /** Cross-entropy in nats of targets [m] under logits [m, d_vocab], to losses [m]. */
  loss(logits: Float32Array, targets: Int32Array, losses: Float32Array): Promise<void>
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
  const head = await open('head', (graph) => architecture.head(graph, config))
  const loss = await open('loss', (graph) => lossGraph(graph, config))

  const { d_model, d_head, d_vocab, n_heads, n_kv_heads } = config
  const { cos, sin } = rotary(config)
  const float = (data: Float32Array, dims: readonly number[]): Tensor =>
    new Tensor('float32', data, dims)

  return {
    config,

    async embed(ids, out) {
      await embed.run(
        { ids: new Tensor('int32', ids, [ids.length]) },
        { hook_embed: float(out, [ids.length, d_model]) },
      )
    },

    async attn(layer, n_seqs, resid_pre, z, cache) {
      const seq_len = resid_pre.length / d_model / n_seqs
      const n_keys = (cache?.length ?? 0) + seq_len
      const past = (buffer?: Float32Array): Tensor =>
        float(buffer ?? new Float32Array(0), [n_seqs, n_kv_heads, cache?.n_ctx ?? 0, d_head])
      const [k, v] = [past(cache?.k[layer]), past(cache?.v[layer])]
      // Padding counts as tokens here: it lies on the right, where no real token looks, and each row's own
      // length would make the operator take the positions of a later chunk from the row's end.
      const last_key = new Int32Array(n_seqs).fill(n_keys - 1)
      await blocks[layer]!.attn.run(
        {
          resid_pre: float(resid_pre, [n_seqs, seq_len, d_model]),
          past_k: k,
          past_v: v,
          last_key: new Tensor('int32', last_key, [n_seqs]),
          n_keys: new Tensor('int32', Int32Array.of(n_keys), [1]),
          cos,
          sin,
        },
        {
          z: float(z, [n_seqs, seq_len, n_heads * d_head]),
          ...(cache === undefined ? {} : { present_k: k, present_v: v }),
        },
      )
    },

    async mlp(layer, resid_pre, z, out) {
      const m = resid_pre.length / d_model
      const wanted = MLP_OUTPUTS.flatMap((name) => {
        const data = out[name]
        return data === undefined ? [] : [[name, float(data, [m, d_model])] as const]
      })
      await blocks[layer]!.mlp.run(
        { resid_pre: float(resid_pre, [m, d_model]), z: float(z, [m, n_heads * d_head]) },
        Object.fromEntries(wanted),
      )
    },

    async head(normalized, logits) {
      const m = normalized.length / d_model
      await head.run(
        { normalized: float(normalized, [m, d_model]) },
        { logits: float(logits, [m, d_vocab]) },
      )
    },

    async loss(logits, targets, losses) {
      const m = targets.length
      await loss.run(
        { logits: float(logits, [m, d_vocab]), targets: new Tensor('int32', targets, [m, 1]) },
        { losses: float(losses, [m, 1]) },
      )
    },

    async close() {
      await Promise.all(sessions.map((session) => session.release()))
    },
  }
}

/** `losses = -log_softmax(logits)[target]`; the slow twin is crossEntropy. It has no weights, so it costs no memory to keep. */
function lossGraph(graph: WeightedGraph, { d_vocab }: ModelConfig): void {
  const logits = graph.input('logits', 'F32', ['m', d_vocab])
  const targets = graph.input('targets', 'I32', ['m', 1])
  const logProbs = graph.node('LogSoftmax', [logits], { attributes: { axis: 1 } })
  const chosen = graph.node('GatherElements', [logProbs, targets], { attributes: { axis: 1 } })
  graph.output('losses', graph.node('Neg', [chosen]), 'F32', ['m', 1])
}

/** Rotary tables [n_ctx, d_head / 2] of `position * theta^(-2j / d_head)`, shared by all layers. */
function rotary(config: ModelConfig): { cos: Tensor; sin: Tensor } {
  const half = config.d_head / 2
  const table = (f: (angle: number) => number): Tensor => {
    const data = new Float32Array(config.n_ctx * half)
    for (let position = 0; position < config.n_ctx; position++) {
      for (let j = 0; j < half; j++) {
        data[position * half + j] = f(position * config.rope_theta ** (-j / half))
      }
    }
    return new Tensor('float32', data, [config.n_ctx, half])
  }
  return { cos: table(Math.cos), sin: table(Math.sin) }
}
