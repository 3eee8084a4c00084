/**
 * Blocks whose matrices are digits (digits.ts) that ONNX Runtime keeps: two sessions a layer, and few rows at a time, so that
 * arrays between products stay in the processor's caches. Attention itself has no matrices and one session for all layers (network.ts).
 */

import type { BlockPart, ModelWeights } from './architecture.ts'
import type { BlockPieces } from './blockPieces.ts'
import { type GraphSession, openGraphSession } from './graphSession.ts'
import { mlpGraph, projectGraph, type WeightedGraph } from './graphs.ts'
import { runRows } from './runRows.ts'
import type { ModelConfig } from './types.ts'

/** Numbers of the widest array inside, at a time: larger ones the allocator would take from the system in every run (src/cli/lean.ts). */
const CHUNK_NUMBERS = 10 ** 6
/** Rows of the batch at a time, if there are as many: 96 to 512 take the same time to 8 %. */
const MIN_CHUNK_ROWS = 64

/**
 * Opens the sessions of every layer; matrices are read once.
 * @param read gives a block's weight as a new array.
 */
export async function openDigitBlocks(
  config: ModelConfig,
  weights: ModelWeights,
  read: (layer: number, part: BlockPart) => Promise<Float32Array>,
  threads: number,
): Promise<BlockPieces> {
  const { d_model, d_mlp } = config
  const open = (
    layer: number,
    name: string,
    build: (graph: WeightedGraph, config: ModelConfig) => void,
  ): Promise<GraphSession> => {
    const block = weights.blocks[layer]!
    const shapes = new Map(Object.entries(block).map(([part, { shape }]) => [part, shape]))
    const constants = {
      backend: 'cpu',
      areDigits: true,
      read: (part: string) => read(layer, part as BlockPart),
    } as const
    return openGraphSession(`${name} ${layer}`, shapes, { threads, constants }, (graph) =>
      build(graph, config),
    )
  }
  const layers: { project: GraphSession; mlp: GraphSession }[] = []
  for (let layer = 0; layer < config.n_layers; layer++) {
    const project = await open(layer, 'project', projectGraph)
    layers.push({ project, mlp: await open(layer, 'mlp', mlpGraph) })
  }

  const chunksOf = (resid_pre: Float32Array) => ({
    m: resid_pre.length / d_model,
    most: Math.max(MIN_CHUNK_ROWS, Math.floor(CHUNK_NUMBERS / d_mlp)),
  })

  return {
    project: (layer, resid_pre) =>
      runRows(layers[layer]!.project, { resid_pre }, ['q', 'k', 'v'], chunksOf(resid_pre)),
    mlp: (layer, resid_pre, z, outputs) =>
      runRows(layers[layer]!.mlp, { resid_pre, z }, outputs, chunksOf(resid_pre)),
    async close() {
      await Promise.all(layers.flatMap(({ project, mlp }) => [project.close(), mlp.close()]))
    },
  }
}
