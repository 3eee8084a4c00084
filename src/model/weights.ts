/**
 * A checkpoint's weights as the graphs take them: float32, matrices [d_out, d_in], gains complete.
 *
 * A store gives a block's weights one half at a time. What it keeps in memory, and in which precision, is its own matter:
 * here are the one that keeps float32 and the one that keeps nothing but norms and biases (layer streaming);
 * packedWeights.ts keeps 16, 8 or 4 bits.
 */

import { elementCount, toFloat32 } from '../formats/index.ts'
import type { BlockPart, ModelWeights, WeightSpec } from './architecture.ts'
import type { Checkpoint } from './checkpoint.ts'

/** Read and widened at a time. */
const CHUNK_BYTES = 2 ** 25

/** A block's weights by part. */
export type BlockWeights = ReadonlyMap<BlockPart, Float32Array>

export interface WeightStore {
  /**
   * Parts of one block. Arrays that the store does not keep lie in room that the next call reuses.
   * @param next the block whose same parts will be asked for next: they may be fetched ahead.
   */
  block(layer: number, parts: readonly BlockPart[], next?: number): Promise<BlockWeights>
  /** Rows of the embedding, [n, d_model], unscaled. */
  embed(ids: Int32Array): Promise<Float32Array>
  /** Rows `first` to `first + count` of the unembedding [d_vocab, d_model]; reused like a block's. */
  unembed(first: number, count: number): Promise<Float32Array>
  close(): Promise<void>
}

/** Rows of a matrix, or elements of a vector, from `first` on. */
export type RowRange = { readonly first: number; readonly count: number }

export const isVector = (spec: WeightSpec): boolean => spec.shape.length === 1

/** [d_out, d_in] of a matrix, [d, 1] of a vector. */
export const rowsAndColumns = ({ shape }: WeightSpec): readonly [number, number] => [
  shape[0],
  shape[1] ?? 1,
]

/**
 * Reads rows of a weight as float32, a piece at a time.
 * @param into [count * d_in] to write to; a new array unless given.
 */
export async function readWeight(
  checkpoint: Checkpoint,
  spec: WeightSpec,
  range: RowRange = { first: 0, count: spec.shape[0] },
  into?: Float32Array,
): Promise<Float32Array> {
  const [, columns] = rowsAndColumns(spec)
  const out = into ?? new Float32Array(range.count * columns)
  if (spec.transposed) await readColumns(checkpoint, spec, range, out)
  else {
    let at = 0
    for (const { first, count } of runsWithin(spec, range)) {
      await readRun(checkpoint, spec.tensor, { first, count }, columns, out, at)
      at += count * columns
    }
  }
  if (spec.plus !== undefined) for (let i = 0; i < out.length; i++) out[i]! += spec.plus
  return out
}

/** Which rows of the tensor are rows `range` of the weight. */
function runsWithin(spec: WeightSpec, { first, count }: RowRange): RowRange[] {
  const runs: RowRange[] = []
  let at = 0
  for (const [start, length] of spec.rows ?? [[0, spec.shape[0]] as const]) {
    const from = Math.max(first, at)
    const to = Math.min(first + count, at + length)
    if (from < to) runs.push({ first: start + from - at, count: to - from })
    at += length
  }
  return runs
}

async function readRun(
  checkpoint: Checkpoint,
  tensor: string,
  { first, count }: RowRange,
  columns: number,
  out: Float32Array,
  at: number,
): Promise<void> {
  const step = Math.max(1, Math.floor(CHUNK_BYTES / (columns * 4)))
  for (let done = 0; done < count; done += step) {
    const n = Math.min(step, count - done)
    const piece = await checkpoint.readElements(tensor, (first + done) * columns, n * columns)
    out.set(toFloat32(piece), at + done * columns)
  }
}

/** A weight that the checkpoint holds as [d_in, d_out of the whole tensor]. */
async function readColumns(
  checkpoint: Checkpoint,
  spec: WeightSpec,
  range: RowRange,
  out: Float32Array,
): Promise<void> {
  const [, d_in] = rowsAndColumns(spec)
  const { shape } = checkpoint.entry(spec.tensor)
  const width = shape[1]!
  const all = toFloat32(await checkpoint.readElements(spec.tensor, 0, elementCount(shape)))
  let row = 0
  for (const { first, count } of runsWithin(spec, range)) {
    for (let column = first; column < first + count; column++, row++)
      for (let i = 0; i < d_in; i++) out[row * d_in + i] = all[i * width + column]!
  }
}

/** Reads every vector of a block: they stay in memory whatever the store does with matrices. */
export async function readVectors(
  checkpoint: Checkpoint,
  block: ModelWeights['blocks'][number],
): Promise<Map<BlockPart, Float32Array>> {
  const vectors = new Map<BlockPart, Float32Array>()
  for (const [part, spec] of Object.entries(block) as [BlockPart, WeightSpec][])
    if (isVector(spec)) vectors.set(part, await readWeight(checkpoint, spec))
  return vectors
}

/** Everything in float32: 4 bytes a parameter, a tied embedding once. */
export async function openFloatStore(
  checkpoint: Checkpoint,
  weights: ModelWeights,
): Promise<WeightStore> {
  const embedding = await readWeight(checkpoint, weights.embed)
  const unembedding =
    weights.unembed === weights.embed ? embedding : await readWeight(checkpoint, weights.unembed)
  const [, d_model] = rowsAndColumns(weights.embed)
  const blocks: BlockWeights[] = []
  for (const block of weights.blocks) {
    const arrays = await readVectors(checkpoint, block)
    for (const [part, spec] of Object.entries(block) as [BlockPart, WeightSpec][])
      if (!isVector(spec)) arrays.set(part, await readWeight(checkpoint, spec))
    blocks.push(arrays)
  }
  return {
    block: async (layer) => blocks[layer]!,
    async embed(ids) {
      const rows = new Float32Array(ids.length * d_model)
      for (const [i, id] of ids.entries())
        rows.set(embedding.subarray(id * d_model, (id + 1) * d_model), i * d_model)
      return rows
    },
    unembed: async (first, count) =>
      unembedding.subarray(first * d_model, (first + count) * d_model),
    async close() {},
  }
}
