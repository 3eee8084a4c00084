/**
 * Weights in 16, 8 or 4 bits, in memory that a team of threads shares.
 *
 * Passes of few rows compute with them as they lie (fewRows.ts). The graphs want float32: a block's matrices are widened for
 * them into room that the next block reuses, which costs little where there are many rows.
 */

import type { BlockPart, ModelWeights, WeightSpec } from './architecture.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { PackedMatrix, Team, WeightDtype } from './kernels/index.ts'
import type { Precision } from './memory.ts'
import { matrixSize, openRoom } from './streamedWeights.ts'
import {
  type BlockWeights,
  cutRows,
  isVector,
  readVectors,
  readWeight,
  rowsAndColumns,
  type WeightStore,
} from './weights.ts'

/** Numbers that are read, then packed, at a time. */
const PIECE_NUMBERS = 2 ** 20

export type PackedStore = WeightStore & {
  /** A block's matrix as it lies; undefined where the model has none. */
  matrix(layer: number, part: BlockPart): PackedMatrix | undefined
  /** A block's norms and biases. */
  readonly vectors: readonly BlockWeights[]
  readonly unembedding: PackedMatrix
}

/** Reads and packs every matrix; a tied embedding lies there once. */
export async function openPackedStore(
  checkpoint: Checkpoint,
  weights: ModelWeights,
  precision: Exclude<Precision, 'f32' | 'i16'>,
  team: Team,
): Promise<PackedStore> {
  const { embed, unembed, pos } = weights
  const [, d_model] = rowsAndColumns(embed)
  const room = openRoom()
  const pack = async (spec: WeightSpec): Promise<PackedMatrix> => {
    const [rows, columns] = rowsAndColumns(spec)
    const matrix = team.openMatrix(dtypeOf(checkpoint, spec, precision), rows, columns)
    // A turned matrix is read as a whole, whatever rows are asked for.
    const step = spec.transposed ? rows : Math.max(1, Math.floor(PIECE_NUMBERS / columns))
    for (let first = 0; first < rows; first += step) {
      const count = Math.min(step, rows - first)
      const [piece] = room([count * columns])
      team.pack(matrix, first, await readWeight(checkpoint, spec, { first, count }, piece))
    }
    return matrix
  }
  const { head, blocks: vectors } = await readVectors(checkpoint, weights)
  const embedding = await pack(embed)
  const unembedding = unembed === embed ? embedding : await pack(unembed)
  const positions = pos === undefined ? undefined : await readWeight(checkpoint, pos)
  const blocks: Map<BlockPart, PackedMatrix>[] = []
  for (const block of weights.blocks) {
    const matrices = new Map<BlockPart, PackedMatrix>()
    for (const [part, spec] of Object.entries(block) as [BlockPart, WeightSpec][])
      if (!isVector(spec)) matrices.set(part, await pack(spec))
    blocks.push(matrices)
  }
  return {
    isFloat: false,
    head,
    vectors,
    unembedding,
    matrix: (layer, part) => blocks[layer]!.get(part),
    async block(layer, parts, _, range) {
      const arrays = new Map<BlockPart, Float32Array>()
      const rooms = room(parts.map((part) => matrixSize(weights.blocks[layer]![part]!, range)))
      for (const [i, part] of parts.entries()) {
        const matrix = blocks[layer]!.get(part)
        if (matrix === undefined) {
          const spec = weights.blocks[layer]![part]!
          arrays.set(part, cutRows(vectors[layer]!.get(part)!, spec, range))
        } else {
          const { first, count } = range ?? { first: 0, count: matrix.d_out }
          team.widen(matrix, first, count, rooms[i]!)
          arrays.set(part, rooms[i]!)
        }
      }
      return arrays
    },
    async embed(ids) {
      const rows = new Float32Array(ids.length * d_model)
      const known = new Map<number, number>()
      for (const [i, id] of ids.entries()) {
        const at = known.get(id)
        const row = rows.subarray(i * d_model, (i + 1) * d_model)
        if (at === undefined) team.widen(embedding, id, 1, row)
        else rows.copyWithin(i * d_model, at * d_model, (at + 1) * d_model)
        known.set(id, i)
      }
      return rows
    },
    async positions(start, n) {
      if (positions === undefined) throw new TypeError('This model has no learned positions.')
      return positions.subarray(start * d_model, (start + n) * d_model)
    },
    async unembed(first, count) {
      const [rows] = room([count * d_model])
      team.widen(unembedding, first, count, rows!)
      return rows!
    },
    close: () => team.close(),
  }
}

/** `bf16` means the checkpoint's own bits. */
function dtypeOf(
  checkpoint: Checkpoint,
  { tensor }: WeightSpec,
  precision: Exclude<Precision, 'f32' | 'i16'>,
): WeightDtype {
  if (precision !== 'bf16') return precision
  const { dtype } = checkpoint.entry(tensor)
  return dtype === 'F32' ? 'f32' : dtype === 'F16' ? 'f16' : 'bf16'
}
