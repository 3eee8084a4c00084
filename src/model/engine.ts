/** The weights in memory and the passes over them, as the plan of memory says. */

import type { ModelWeights } from './architecture.ts'
import { type BackendChoice, openAccelerated } from './backend.ts'
import type { Checkpoint } from './checkpoint.ts'
import { openFewRows } from './fewRows.ts'
import type { Backend } from './graphSession.ts'
import { openTeam, type Team } from './kernels/index.ts'
import { HEAP, type KvRoom, teamRoom } from './kvCache.ts'
import type { ModelMemory } from './memory.ts'
import { type Network, openNetwork } from './network.ts'
import { openPackedStore } from './packedWeights.ts'
import { openStreamedStore } from './streamedWeights.ts'
import type { ModelConfig } from './types.ts'
import { isVector, openFloatStore, readWeight } from './weights.ts'

export type Engine = {
  readonly network: Network
  /** Where caches of keys and values lie. */
  readonly room: KvRoom
  readonly backend: Backend
}

/** Addresses beside the weights, for keys, values and rows under way; memory is taken only as it is used. */
const ROOM_BYTES = 2 ** 32

/**
 * Opens a model's weights and sessions.
 * @param threads 0 chooses.
 * @throws RangeError if an accelerator is asked for together with packed or streamed weights; Error as `openAccelerated`.
 */
export async function openEngine(
  config: ModelConfig,
  weights: ModelWeights,
  checkpoint: Checkpoint,
  memory: ModelMemory,
  { threads, backend }: { readonly threads: number; readonly backend: BackendChoice },
): Promise<Engine> {
  const isPlain = memory.weights === 'f32' && !memory.isStreamed
  if (backend === 'webgpu' || backend === 'cuda') {
    if (!isPlain)
      throw new RangeError(
        `backend: ${backend} keeps weights in float32 itself, but they are to be ${memory.isStreamed ? 'read block by block' : `in ${memory.weights}`}. Leave out --weights and --memory, or use --backend cpu.`,
      )
  }
  if (backend !== 'cpu' && isPlain) {
    const found = await openAccelerated(config, weights, checkpoint, backend, threads)
    if (found !== undefined) return { ...found, room: HEAP }
  }
  if (memory.isStreamed) {
    const store = await openStreamedStore(checkpoint, weights)
    return {
      network: await openNetwork(config, weights, store, { threads }),
      room: HEAP,
      backend: 'cpu',
    }
  }
  if (memory.weights === 'f32') {
    const store = await openFloatStore(checkpoint, weights)
    return {
      network: await openNetwork(config, weights, store, { threads }),
      room: HEAP,
      backend: 'cpu',
    }
  }
  const team = await openTeam({
    threads: threads === 0 ? coreCount() : threads,
    memory_bytes: 1.1 * memory.weights_bytes + ROOM_BYTES,
  })
  try {
    if (memory.weights === 'i16')
      return await openDigits(config, weights, checkpoint, team, threads)
    const store = await openPackedStore(checkpoint, weights, memory.weights, team)
    const few = config.d_head % 4 === 0 ? openFewRows(config, store, team) : undefined
    const network = await openNetwork(
      config,
      weights,
      store,
      few === undefined ? { threads } : { threads, few },
    )
    return { network, room: few === undefined ? HEAP : teamRoom(team), backend: 'cpu' }
  } catch (error) {
    await team.close()
    throw error
  }
}

/** Blocks are digits that ONNX Runtime keeps; the embedding stays in the checkpoint's own bits. */
async function openDigits(
  config: ModelConfig,
  weights: ModelWeights,
  checkpoint: Checkpoint,
  team: Team,
  threads: number,
): Promise<Engine> {
  const vectors = weights.blocks.map((block) =>
    Object.fromEntries(Object.entries(block).filter(([, spec]) => isVector(spec))),
  )
  const store = await openPackedStore(checkpoint, { ...weights, blocks: vectors }, 'bf16', team)
  const { max_rows, logits } = openFewRows(config, store, team)
  const network = await openNetwork(config, weights, store, {
    threads,
    few: { max_rows, logits },
    digits: (layer, part) => readWeight(checkpoint, weights.blocks[layer]![part]!),
  })
  return { network, room: HEAP, backend: 'cpu' }
}

/** Physical cores, as far as can be told: half of the logical ones where there are more than four. */
function coreCount(): number {
  const logical = navigator.hardwareConcurrency
  return logical > 4 ? Math.ceil(logical / 2) : logical
}
