/**
 * The end of a pass: logits, and losses from them, a block of rows and of the vocabulary at a time.
 *
 * The unembedding passes once whatever the number of rows, so that a store may fetch it piece by piece.
 */

import type { ModelWeights } from './architecture.ts'
import { type Backend, float, int32, openGraphSession } from './graphSession.ts'
import { headGraph } from './graphs.ts'
import { UNEMBED_NUMBERS } from './memory.ts'
import type { ModelConfig } from './types.ts'
import type { WeightStore } from './weights.ts'

export type Head = {
  /** normalized [m, d_model] to logits [m, d_vocab]. */
  logits(normalized: Float32Array, signal?: AbortSignal): Promise<Float32Array>
  /** Cross-entropy in nats of targets [m]. */
  losses(normalized: Float32Array, targets: Int32Array, signal?: AbortSignal): Promise<Float32Array>
  close(): Promise<void>
}

/** Logits made at a time: 16 MiB of them, enough to fill the cores and few enough to stay near them. */
const CHUNK_LOGITS = 2 ** 22
/** Rows of them at a time. */
const CHUNK_ROWS = 1024

type Block = {
  readonly from: number
  readonly to: number
  /** First token of the vocabulary, and how many. */
  readonly first: number
  readonly count: number
}

/** Opens the head's session; its norm stays in memory. */
export async function openHead(
  config: ModelConfig,
  weights: ModelWeights,
  store: WeightStore,
  threads: number,
  backend: Backend = 'cpu',
): Promise<Head> {
  const { d_model, d_vocab } = config
  const norm = store.head
  /** On an accelerator the whole unembedding is a constant. */
  const isWhole = backend !== 'cpu'
  const shapes = new Map<string, readonly (number | string)[]>([
    ['unembed', [isWhole ? d_vocab : 'v', d_model]],
  ])
  for (const part of norm.keys()) shapes.set(part, weights.final_norm.shape)
  const options = isWhole
    ? {
        threads,
        constants: {
          backend,
          areDigits: false,
          read: async (part: string) => norm.get(part) ?? store.unembed(0, d_vocab),
        },
      }
    : { threads, isLean: !store.isFloat }
  const session = await openGraphSession('head', shapes, options, (graph) => {
    const logits = headGraph(graph, config)
    const targets = graph.input('targets', 'I32', ['m', 1])
    const attributes = { axis: 1 }
    const chosen = graph.node('GatherElements', [logits, targets], { attributes })
    const axis = graph.node('Constant', [], { attributes: { value_ints: [1] } })
    const sums = graph.node('ReduceLogSumExp', [logits, axis], { attributes: { keepdims: 1 } })
    graph.output('log_sum_exp', sums, 'F32', ['m', 1])
    graph.output('chosen', chosen, 'F32', ['m', 1])
    graph.output('logits', logits, 'F32', ['m', 'v'])
  })
  const feeds = Object.fromEntries(
    Array.from(norm, ([part, array]) => [part, float(array, [d_model])] as const).filter(([part]) =>
      session.parts.includes(part),
    ),
  )

  /** Runs every block of rows and vocabulary. @param targets [m], ids; without them only logits can be asked for. */
  async function* blocks<Name extends 'logits' | 'log_sum_exp' | 'chosen'>(
    normalized: Float32Array,
    targets: Int32Array,
    outputs: readonly Name[],
  ): AsyncGenerator<Block & { out: Record<Name, Float32Array> }> {
    const m = targets.length
    const rows = Math.min(m, CHUNK_ROWS)
    const most = Math.min(CHUNK_LOGITS / rows, UNEMBED_NUMBERS / d_model)
    const step = isWhole ? d_vocab : Math.min(d_vocab, Math.max(1, Math.floor(most)))
    for (let first = 0; first < d_vocab; first += step) {
      const count = Math.min(step, d_vocab - first)
      const slice = isWhole
        ? {}
        : { unembed: float(await store.unembed(first, count), [count, d_model]) }
      for (let from = 0; from < m; from += rows) {
        const to = Math.min(m, from + rows)
        const inside = targets
          .slice(from, to)
          .map((id) => Math.min(count - 1, Math.max(0, id - first)))
        const out = await session.run(
          {
            ...feeds,
            ...slice,
            normalized: float(normalized.subarray(from * d_model, to * d_model), [
              to - from,
              d_model,
            ]),
            targets: int32(inside, [to - from, 1]),
          },
          outputs,
        )
        yield { from, to, first, count, out }
      }
    }
  }

  return {
    async logits(normalized, signal) {
      const m = normalized.length / d_model
      let logits: Float32Array | undefined
      for await (const { from, to, first, count, out } of blocks(normalized, new Int32Array(m), [
        'logits',
      ])) {
        if (count === d_vocab && to - from === m) return out.logits
        logits ??= new Float32Array(m * d_vocab)
        for (let row = from; row < to; row++)
          logits.set(
            out.logits.subarray((row - from) * count, (row - from + 1) * count),
            row * d_vocab + first,
          )
        signal?.throwIfAborted()
      }
      return logits ?? new Float32Array(0)
    },

    async losses(normalized, targets, signal) {
      const total = new Float64Array(targets.length).fill(-Infinity)
      const chosen = new Float64Array(targets.length)
      for await (const { from, to, first, count, out } of blocks(normalized, targets, [
        'log_sum_exp',
        'chosen',
      ])) {
        for (let row = from; row < to; row++) {
          total[row] = logAddExp(total[row]!, out.log_sum_exp[row - from]!)
          const id = targets[row]!
          if (id >= first && id < first + count) chosen[row] = out.chosen[row - from]!
        }
        signal?.throwIfAborted()
      }
      return Float32Array.from(total, (sum, row) => sum - chosen[row]!)
    },

    close: () => session.close(),
  }
}

/** `log(exp(a) + exp(b))` */
function logAddExp(a: number, b: number): number {
  const largest = Math.max(a, b)
  if (largest === -Infinity) return largest
  return largest + Math.log1p(Math.exp(Math.min(a, b) - largest))
}
