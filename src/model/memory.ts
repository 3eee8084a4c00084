/** What a model takes in memory, and which of its weights stay there under a budget. */

import type { ModelWeights, WeightSpec } from './architecture.ts'
import type { ModelConfig } from './types.ts'
import { rowsAndColumns } from './weights.ts'

/**
 * How weights lie in memory. `bf16` is the checkpoint's own 16 bits, whichever they are; `i16` 16-bit integers in three bytes
 * (digits.ts), the embedding as in `bf16`.
 */
export const PRECISIONS = ['f32', 'i16', 'bf16', 'q8', 'q4'] as const
export type Precision = (typeof PRECISIONS)[number]

/** What an open model holds. */
export type ModelMemory = {
  readonly weights: Precision
  /** Blocks are read from the checkpoint at every pass: nothing but norms stays. */
  readonly isStreamed: boolean
  /** Held while the model is open. */
  readonly weights_bytes: number
  /** What a pass takes beside them, apart from what it returns: room for a block, and arrays inside the graphs. */
  readonly working_bytes: number
  /** The budget, if there is one. */
  readonly budget_bytes?: number
}

/** Logits at a time, their exponentials, and what the graph that makes them keeps. */
const HEAD_BYTES = 2 ** 26
/** Weights of the unembedding at a time: 64 MiB. */
export const UNEMBED_NUMBERS = 2 ** 24
/** Numbers of a block's matrices that are widened at a time: 8 MiB. */
export const SLICE_NUMBERS = 2 ** 21
/** The process itself: Node, ONNX Runtime, a tokenizer and the text. */
const BASE_BYTES = 300e6
/** Numbers in the widest array that a graph makes inside, at a time: 32 MiB. */
const CHUNK_NUMBERS = 2 ** 23
/** Rows in a chunk, if there are as many: with fewer, products wait for their weights. */
const MIN_CHUNK_ROWS = 1024

/** Rows that go through a graph at a time, whose widest array has so many columns. */
export const chunkRows = (columns: number): number =>
  Math.max(MIN_CHUNK_ROWS, Math.floor(CHUNK_NUMBERS / columns))

/**
 * What the graphs take for arrays inside while a batch of `tokens` goes through, and keep until the model is closed. Per row
 * about eight rows of the residual stream and five of the MLP, queries, keys, values, and attention scores.
 */
export function passBytes(config: ModelConfig, tokens: number): number {
  const { d_model, d_mlp, d_head, n_heads, n_kv_heads, n_ctx } = config
  const rows = Math.min(tokens, chunkRows(d_mlp))
  const attention = d_head * (2 * n_heads + 2 * n_kv_heads) + n_heads * Math.min(n_ctx, rows)
  return 4 * rows * (8 * d_model + 5 * d_mlp + attention)
}

/**
 * Decides what stays in memory: float32 where the budget allows, else the checkpoint's 16 bits, else nothing (streaming).
 * Fewer bits change the numbers, so they are never chosen, only asked for.
 * @param checkpoint_bytes of one number on disk: 2 or 4.
 * @throws RangeError if not even one block fits, or a precision was asked for that does not.
 */
export function planMemory(
  config: ModelConfig,
  weights: ModelWeights,
  checkpoint_bytes: number,
  { precision, budget_bytes }: { precision?: Precision; budget_bytes?: number },
): ModelMemory {
  const parts = weights.blocks[0]!
  const block = sum(Object.values(parts))
  const { q, k, v, o, gate, up, down } = parts
  /** Weights that are float32 at a time: a slice of a block's matrices, gate and up together, or rows of the unembedding. */
  const room = Math.max(
    ...[[q], [k], [v], [o], [gate, up], [down]].map((group) => {
      const specs = group.filter((spec) => spec !== undefined)
      return (
        sliceRows(specs, SLICE_NUMBERS) *
        specs.reduce((total, spec) => total + rowsAndColumns(spec)[1], 0)
      )
    }),
    Math.min(count(weights.unembed), UNEMBED_NUMBERS),
  )
  const { unembed, embed, pos } = weights
  const blocks = sum(weights.blocks.flatMap((parts) => Object.values(parts)))
  const outside =
    sum(unembed === embed ? [embed] : [embed, unembed]) + (pos === undefined ? 0 : count(pos))
  const allBytes = (precision: Precision): number =>
    blocks * bytesOf(precision, checkpoint_bytes) +
    outside * bytesOf(precision === 'i16' ? 'bf16' : precision, checkpoint_bytes)
  const inside = passBytes(config, MIN_CHUNK_ROWS) + HEAD_BYTES
  const plan = (weightsOf: Precision, isStreamed: boolean): ModelMemory => ({
    weights: weightsOf,
    isStreamed,
    weights_bytes: isStreamed ? 0 : allBytes(weightsOf),
    working_bytes:
      BASE_BYTES +
      inside +
      (weightsOf === 'f32' && !isStreamed ? 0 : 4 * room) +
      (isStreamed ? block * checkpoint_bytes : 0),
    ...(budget_bytes === undefined ? {} : { budget_bytes }),
  })
  if (budget_bytes === undefined) return plan(precision ?? 'f32', false)
  const resident = (precision === undefined ? (['f32', 'bf16'] as const) : [precision]).map(
    (weightsOf) => plan(weightsOf, false),
  )
  const fits = ({ weights_bytes, working_bytes }: ModelMemory): boolean =>
    weights_bytes + working_bytes <= budget_bytes
  const streamed = plan('f32', true)
  const chosen = [...resident, ...(precision === undefined ? [streamed] : [])].find(fits)
  if (chosen !== undefined) return chosen
  const least = precision === undefined ? streamed : resident[0]!
  throw new RangeError(
    `memory: ${gigabytes(budget_bytes)} is asked for, but this model takes at least ${gigabytes(least.weights_bytes + least.working_bytes)}` +
      `${precision === undefined ? ' even when its blocks are read one by one' : ` with weights in ${precision}`}. Give it more, or weights in fewer bits.`,
  )
}

/**
 * Rows at a time of matrices with as many rows, so that they are about `most` numbers together. A turned matrix is read as a
 * whole, whatever rows are asked for.
 */
export function sliceRows(specs: readonly WeightSpec[], most: number): number {
  const [rows] = rowsAndColumns(specs[0]!)
  if (specs.some(({ transposed }) => transposed)) return rows
  return Math.ceil(rows / Math.ceil(sum(specs) / most))
}

/** Bytes of a number in memory, scales included. */
export function bytesOf(precision: Precision, checkpoint_bytes: number): number {
  switch (precision) {
    case 'f32':
      return 4
    case 'i16':
      return 3
    case 'bf16':
      return Math.min(4, checkpoint_bytes)
    case 'q8':
      return 1 + 2 / 32
    case 'q4':
      return 0.5 + 2 / 32
    default:
      throw new TypeError(`Unknown precision ${precision satisfies never}.`)
  }
}

function count(spec: WeightSpec): number {
  const [rows, columns] = rowsAndColumns(spec)
  return rows * columns
}

const sum = (specs: readonly WeightSpec[]): number =>
  specs.reduce((total, spec) => total + count(spec), 0)

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`
