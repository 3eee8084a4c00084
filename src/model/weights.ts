/**
 * A checkpoint's weights as the graphs take them: float32, matrices [d_out, d_in], gains complete.
 *
 * A store gives a block's weights one half at a time. What it keeps in memory, and in which precision, is its own matter:
 * here are the one that keeps float32 and the one that keeps nothing but norms and biases (layer streaming);
 * packedWeights.ts keeps 16, 8 or 4 bits.
 */

import { elementCount, readFloat32, toFloat32 } from '../formats/index.ts'
import type { BlockPart, ModelWeights, WeightSpec } from './architecture.ts'
import type { Checkpoint } from './checkpoint.ts'
import { giveBack } from './giveBack.ts'

/** Read and widened at a time. */
const CHUNK_BYTES = 2 ** 23

/** A block's weights by part. */
export type BlockWeights = ReadonlyMap<BlockPart, Float32Array>

export interface WeightStore {
  /** Whether matrices lie in memory as float32; where not, they are better asked for a few at a time. */
  readonly isFloat: boolean
  /** `final_norm`, and `final_norm_b` where there is one: [d_model] */
  readonly head: ReadonlyMap<string, Float32Array>
  /**
   * Parts of one block. Arrays that the store does not keep lie in room that the next call reuses.
   * @param next the block whose same parts will be asked for next: they may be fetched ahead.
   * @param range rows of each part; without it all of them.
   */
  block(
    layer: number,
    parts: readonly BlockPart[],
    next?: number,
    range?: RowRange,
  ): Promise<BlockWeights>
  /** Rows of the embedding, [n, d_model], unscaled. */
  embed(ids: Int32Array): Promise<Float32Array>
  /** Learned positions `start` to `start + n`, [n, d_model]. @throws TypeError in a model without. */
  positions(start: number, n: number): Promise<Float32Array>
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

/** Rows of a weight that lies in memory; all of them without a range. */
export function cutRows(array: Float32Array, spec: WeightSpec, range?: RowRange): Float32Array {
  if (range === undefined) return array
  const [, columns] = rowsAndColumns(spec)
  return array.subarray(range.first * columns, (range.first + range.count) * columns)
}

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
    readFloat32(piece, out.subarray(at + done * columns, at + (done + n) * columns))
    giveBack(piece.bytes)
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

/** What every store keeps: norms and biases. */
export type Vectors = {
  readonly blocks: readonly BlockWeights[]
  /** `final_norm`, and `final_norm_b` where there is one. */
  readonly head: ReadonlyMap<string, Float32Array>
}

export async function readVectors(
  checkpoint: Checkpoint,
  { blocks, final_norm, final_norm_b }: ModelWeights,
): Promise<Vectors> {
  const head = new Map([['final_norm', await readWeight(checkpoint, final_norm)]])
  if (final_norm_b !== undefined)
    head.set('final_norm_b', await readWeight(checkpoint, final_norm_b))
  return {
    head,
    blocks: await Promise.all(blocks.map((block) => readParts(checkpoint, block, isVector))),
  }
}

async function readParts(
  checkpoint: Checkpoint,
  block: ModelWeights['blocks'][number],
  isWanted: (spec: WeightSpec) => boolean,
): Promise<Map<BlockPart, Float32Array>> {
  const arrays = new Map<BlockPart, Float32Array>()
  for (const [part, spec] of Object.entries(block) as [BlockPart, WeightSpec][])
    if (isWanted(spec)) arrays.set(part, await readWeight(checkpoint, spec))
  return arrays
}

/** Everything in float32: 4 bytes a parameter, a tied embedding once. */
export async function openFloatStore(
  checkpoint: Checkpoint,
  weights: ModelWeights,
): Promise<WeightStore> {
  const { embed, unembed, pos } = weights
  const [, d_model] = rowsAndColumns(embed)
  const embedding = await readWeight(checkpoint, embed)
  const unembedding = unembed === embed ? embedding : await readWeight(checkpoint, unembed)
  const positions = pos === undefined ? undefined : await readWeight(checkpoint, pos)
  const { head } = await readVectors(checkpoint, { ...weights, blocks: [] })
  const blocks: BlockWeights[] = []
  for (const block of weights.blocks) blocks.push(await readParts(checkpoint, block, () => true))
  const rows = (of: Float32Array, first: number, count: number): Float32Array =>
    of.subarray(first * d_model, (first + count) * d_model)
  return {
    isFloat: true,
    head,
    block: async (layer, parts, _, range) =>
      range === undefined
        ? blocks[layer]!
        : new Map(
            parts.map((part) => [
              part,
              cutRows(blocks[layer]!.get(part)!, weights.blocks[layer]![part]!, range),
            ]),
          ),
    async embed(ids) {
      const gathered = new Float32Array(ids.length * d_model)
      for (const [i, id] of ids.entries()) gathered.set(rows(embedding, id, 1), i * d_model)
      return gathered
    },
    async positions(start, n) {
      if (positions === undefined) throw new TypeError('This model has no learned positions.')
      return rows(positions, start, n)
    },
    unembed: async (first, count) => rows(unembedding, first, count),
    async close() {},
  }
}
