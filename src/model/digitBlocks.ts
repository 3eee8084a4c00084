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

/** Rows at a time: 96 to 512 take the same time to 8 %, and arrays of more would have to be taken anew in every run. */
const CHUNK_ROWS = 128

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
  const { d_model } = config
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
  // Sessions of one kind after each other: each fills the holes that the one before it left in the heap.
  const mlps: GraphSession[] = []
  for (let layer = 0; layer < config.n_layers; layer++)
    mlps.push(await open(layer, 'mlp', mlpGraph))
  const projects: GraphSession[] = []
  for (let layer = 0; layer < config.n_layers; layer++)
    projects.push(await open(layer, 'project', projectGraph))

  const chunksOf = (resid_pre: Float32Array) => ({
    m: resid_pre.length / d_model,
    most: CHUNK_ROWS,
  })

  return {
    project: (layer, resid_pre) =>
      runRows(projects[layer]!, { resid_pre }, ['q', 'k', 'v'], chunksOf(resid_pre)),
    mlp: (layer, resid_pre, z, outputs) =>
      runRows(mlps[layer]!, { resid_pre, z }, outputs, chunksOf(resid_pre)),
    async close() {
      await Promise.all([...mlps, ...projects].map((session) => session.close()))
    },
  }
}
