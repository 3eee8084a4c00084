/**
 * Layer streaming: a block's matrices are read from the checkpoint each time they are needed, the next block's meanwhile.
 *
 * In memory lie norms and biases, float32 room for a few matrices, and the bytes of the block after it as the checkpoint has them.
 * A pass over many tokens reads each matrix once, so the reading weighs little where the batch is large.
 */

import { readFloat32, type Tensor } from '../formats/index.ts'
import type { BlockPart, ModelWeights, WeightSpec } from './architecture.ts'
import type { Checkpoint } from './checkpoint.ts'
import {
  cutRows,
  isVector,
  type RowRange,
  readVectors,
  readWeight,
  rowsAndColumns,
  type WeightStore,
} from './weights.ts'

/** Opens a store that keeps no matrix. */
export async function openStreamedStore(
  checkpoint: Checkpoint,
  weights: ModelWeights,
): Promise<WeightStore> {
  const { head, blocks } = await readVectors(checkpoint, weights)
  const { embed, unembed, pos } = weights
  const [, d_model] = rowsAndColumns(embed)
  const room = openRoom()
  /** Bytes on their way, by layer and part. */
  const ahead = new Map<string, Promise<Tensor>>()

  const fetch = (layer: number, part: BlockPart): void => {
    const spec = weights.blocks[layer]![part]!
    if (!isWhole(checkpoint, spec) || ahead.has(`${layer} ${part}`)) return
    const bytes = checkpoint.read(spec.tensor)
    bytes.catch(() => {}) // reported to whoever asks for it
    ahead.set(`${layer} ${part}`, bytes)
  }

  const matrix = async (
    layer: number,
    part: BlockPart,
    range: RowRange,
    into: Float32Array,
  ): Promise<Float32Array> => {
    const spec = weights.blocks[layer]![part]!
    const [rows, columns] = rowsAndColumns(spec)
    const pending = ahead.get(`${layer} ${part}`)
    if (pending === undefined) return readWeight(checkpoint, spec, range, into)
    const { dtype, bytes } = await pending
    if (isLast(spec, range)) ahead.delete(`${layer} ${part}`)
    const row_bytes = bytes.length / rows
    const from = range.first * row_bytes
    const own = bytes.subarray(from, from + range.count * row_bytes)
    readFloat32({ dtype, shape: [range.count, columns], bytes: own }, into)
    return into
  }

  return {
    isFloat: false,
    head,

    async block(layer, parts, next, range) {
      const arrays = new Map<BlockPart, Float32Array>()
      const rooms = room(parts.map((part) => matrixSize(weights.blocks[layer]![part]!, range)))
      for (const [i, part] of parts.entries()) {
        const spec = weights.blocks[layer]![part]!
        const vector = blocks[layer]!.get(part)
        const rows = range ?? { first: 0, count: spec.shape[0] }
        arrays.set(
          part,
          vector === undefined
            ? await matrix(layer, part, rows, rooms[i]!)
            : cutRows(vector, spec, range),
        )
        if (next !== undefined && vector === undefined && isLast(spec, rows)) fetch(next, part)
      }
      return arrays
    },

    async embed(ids) {
      const rows = new Map<number, Promise<Float32Array>>()
      for (const id of ids)
        if (!rows.has(id)) rows.set(id, readWeight(checkpoint, embed, { first: id, count: 1 }))
      const gathered = new Float32Array(ids.length * d_model)
      for (const [i, id] of ids.entries()) gathered.set(await rows.get(id)!, i * d_model)
      return gathered
    },

    async positions(start, n) {
      if (pos === undefined) throw new TypeError('This model has no learned positions.')
      return readWeight(checkpoint, pos, { first: start, count: n })
    },

    unembed: (first, count) =>
      readWeight(checkpoint, unembed, { first, count }, room([count * d_model])[0]),

    async close() {
      ahead.clear()
    },
  }
}

/** Whether a weight is a tensor as it stands, so that its bytes can be read ahead. */
function isWhole(checkpoint: Checkpoint, spec: WeightSpec): boolean {
  const { shape } = checkpoint.entry(spec.tensor)
  return !spec.transposed && spec.plus === undefined && shape.join() === spec.shape.join()
}

const isLast = (spec: WeightSpec, { first, count }: RowRange): boolean =>
  first + count === spec.shape[0]

/** Numbers of a matrix, or of some rows of it; none of a vector, which every store keeps. */
export function matrixSize(spec: WeightSpec, range?: RowRange): number {
  const [rows, columns] = rowsAndColumns(spec)
  return isVector(spec) ? 0 : (range?.count ?? rows) * columns
}

/** One piece of memory in which the arrays of a call lie side by side, until the next call. */
export function openRoom(): (sizes: readonly number[]) => Float32Array[] {
  let memory = new Float32Array(0)
  return (sizes) => {
    const total = sizes.reduce((sum, size) => sum + size, 0)
    if (memory.length < total) memory = new Float32Array(total)
    let at = 0
    return sizes.map((size) => {
      at += size
      return memory.subarray(at - size, at)
    })
  }
}
