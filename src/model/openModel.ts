/** A folder in Hugging Face's layout becomes an open model. */

import { DTYPE_BYTES, type Folder, FormatError } from '../formats/index.ts'
import type { ModelWeights } from './architecture.ts'
import { describeModel } from './architectures/index.ts'
import type { BackendChoice } from './backend.ts'
import { type Checkpoint, openCheckpoint, readJsonSource } from './checkpoint.ts'
import { openEngine } from './engine.ts'
import { runForward } from './forward.ts'
import { hashModel } from './hash.ts'
import { hookNames } from './hooks.ts'
import { openKvCache } from './kvCache.ts'
import { type Precision, planMemory } from './memory.ts'
import { openTokenizer } from './tokenizer.ts'
import type { Model, ModelConfig } from './types.ts'
import { readWeight } from './weights.ts'

export type OpenModelOptions = {
  /** Threads inside one operator; 0, the default, is one a physical core. */
  readonly threads?: number
  /** How weights lie in memory; unless given, float32, or with a budget what it allows without changing the numbers. */
  readonly weights?: Precision
  /** Most memory that the model and a pass may take. A model that does not fit is read block by block at every pass. */
  readonly memory_bytes?: number
  /** Where it runs (default cpu); `auto` takes an accelerator that agrees with the CPU, if there is one. */
  readonly backend?: BackendChoice
}

/**
 * Opens a model: reads config.json, checks the weights' names and shapes, builds the graphs, reads the tokenizer if there is one.
 * @param at a bundled name or a path (Node only), or a folder of byte sources.
 * @throws FormatError if a file is missing or damaged, the model is of an unknown kind or has an unsupported setting;
 *   RangeError if the memory it may take is too little.
 */
export async function openModel(
  at: string | Folder,
  { threads = 0, weights: precision, memory_bytes, backend: choice = 'cpu' }: OpenModelOptions = {},
): Promise<Model> {
  const folder = typeof at === 'string' ? await openPath(at) : at
  const configSource = await folder.open('config.json')
  if (configSource === undefined) {
    throw new FormatError(
      folder.name,
      "has no config.json. Give a folder in Hugging Face's layout: config.json, *.safetensors, tokenizer.json.",
    )
  }
  const json = await readJsonSource(configSource)
  const described = describeModel(configSource.name, json)
  const { config, weights } = described
  const checkpoint = await openCheckpoint(folder, described)
  const tokenizer = await openTokenizer(folder, config)
  const hashing = hashModel([configSource, ...checkpoint.sources])
  hashing.catch(() => {}) // awaited below
  const memory = planMemory(config, weights, storedBytes(checkpoint, weights), {
    ...(precision === undefined ? {} : { precision }),
    ...(memory_bytes === undefined ? {} : { budget_bytes: memory_bytes }),
  })
  const { network, room, backend } = await openEngine(config, weights, checkpoint, memory, {
    threads,
    backend: choice,
  })
  const hash = await hashing
  const hooks = hookNames(config)
  let unembedding: Promise<Float32Array> | undefined

  return {
    name: folder.name,
    hash,
    config,
    tokenizer,
    hooks,
    memory,
    backend,
    width: (hook) =>
      hook.endsWith('.attn.hook_z') ? config.n_heads * config.d_head : config.d_model,
    forward: (batch, options = {}) => runForward(network, hooks, batch, options),
    openCache: (n_seqs, n_ctx) => openKvCache(config, n_seqs, n_ctx, room),
    unembedding() {
      unembedding ??= foldUnembedding(weights, config, checkpoint)
      return unembedding
    },
    close: () => network.close(),
  }
}

/** The door opens only when asked to, so that a browser never loads it. */
async function openPath(path: string): Promise<Folder> {
  const { openModelFolder } = await import('./disk.ts')
  return openModelFolder(path)
}

/** Bytes of one number of the first block's matrices on disk. */
function storedBytes(checkpoint: Checkpoint, { blocks }: ModelWeights): number {
  return DTYPE_BYTES[checkpoint.entry(blocks[0]!.o!.tensor).dtype]
}

/** The unembedding [d_vocab, d_model], each row scaled by the final norm's gain, less its mean where the norm takes the mean off. */
async function foldUnembedding(
  { unembed, final_norm }: ModelWeights,
  { d_model, norm }: ModelConfig,
  checkpoint: Checkpoint,
): Promise<Float32Array> {
  const rows = await readWeight(checkpoint, unembed)
  const gain = await readWeight(checkpoint, final_norm)
  for (let i = 0; i < rows.length; i++) rows[i]! *= gain[i % d_model]!
  if (norm === 'rms') return rows
  for (let row = 0; row < rows.length; row += d_model) {
    const mean = rows.subarray(row, row + d_model).reduce((sum, x) => sum + x, 0) / d_model
    for (let j = row; j < row + d_model; j++) rows[j]! -= mean
  }
  return rows
}
