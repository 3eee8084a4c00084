/** The norm before a block's MLP, read from a checkpoint without opening the model: what SAEs that read behind its gain need. */

import { type Folder, FormatError } from '../formats/index.ts'
import { describeModel } from './architectures/index.ts'
import { openCheckpoint, readJsonSource } from './checkpoint.ts'
import { readWeight } from './weights.ts'

export type MlpNorm = {
  /** [d_model], complete: `1 + w` where the family adds 1. */
  readonly gain: Float32Array
  /** [d_model]; LayerNorm's. */
  readonly bias?: Float32Array
  /** Whether another norm follows the MLP before the residual stream, as in Gemma 2 and 3. */
  readonly has_post_norm: boolean
}

/**
 * @param at a path (Node only) or a folder of byte sources.
 * @throws FormatError as `openModel`, RangeError if the model has no such block.
 */
export async function readMlpNorm(at: string | Folder, layer: number): Promise<MlpNorm> {
  const folder = typeof at === 'string' ? await openPath(at) : at
  const source = await folder.open('config.json')
  if (source === undefined) throw new FormatError(folder.name, 'has no config.json.')
  const described = describeModel(source.name, await readJsonSource(source))
  const block = described.weights.blocks[layer]
  if (block?.ln2 === undefined) {
    throw new RangeError(
      `${folder.name}: block ${layer} has no norm before its MLP (${described.weights.blocks.length} blocks). Was the SAE trained on another model?`,
    )
  }
  const checkpoint = await openCheckpoint(folder, described)
  return {
    gain: await readWeight(checkpoint, block.ln2),
    ...(block.ln2_b === undefined ? {} : { bias: await readWeight(checkpoint, block.ln2_b) }),
    has_post_norm: block.ln2_post !== undefined,
  }
}

async function openPath(path: string): Promise<Folder> {
  const { openModelFolder } = await import('./disk.ts')
  return openModelFolder(path)
}
