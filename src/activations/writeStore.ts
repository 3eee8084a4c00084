/**
 * Captures a corpus into a store on disk that a killed process can go on with.
 *
 * 1. Plan the capture; compare with the manifest that is there, if any, and refuse another plan.
 * 2. Drop finished shards from the plan; capture the rest, filling one shard after another.
 * 3. Write each shard under its name only when it is whole, then the manifest that names it with its checksum.
 * A kill at any point loses at most the shard that was being filled; the bytes on disk are those of an undisturbed run.
 */

import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { pathExists, sweepLeftovers, writeFileAtomic, writeJson } from '../files/index.ts'
import {
  type FloatDtype,
  FormatError,
  fromInt32,
  type Tensor,
  writeSafetensors,
} from '../formats/index.ts'
import type { HookName, Model } from '../model/index.ts'
import { activationRoom, batchTokens, capture, planCapture, specialIds } from './capture.ts'
import {
  describeDifference,
  type Manifest,
  manifestPath,
  readManifest,
  type ShardEntry,
  storedTokens,
} from './manifest.ts'
import { sumOfSquares, toStored } from './rows.ts'
import type { CapturedBatch, TokenCorpus } from './types.ts'

/** What `writeStore` tells while it works. */
export type CaptureProgress = {
  readonly n_tokens: number
  readonly of_tokens: number
  /** Bytes of the finished shards. */
  readonly stored_bytes: number
}

/**
 * Writes the activations of a corpus to `dir`, or goes on where an earlier call with the same arguments ended.
 * @param n_tokens countable tokens to store, from the front of the corpus; all where absent.
 * @param model_path what to open the model by again: a bundled name or an absolute path; kept in the manifest.
 * @param dtype of the stored activations (default F32; BF16 and F16 halve the disk space).
 * @param shard_tokens about how many tokens a shard holds (default 32768, fewer where that would be more than 512 MiB).
 * @param batch_tokens tokens of a forward pass, padding included (default: `batchTokens`).
 * @throws FormatError if `dir` holds a store made otherwise, naming the differences; RangeError as `capture`, or if a value
 *   does not fit F16; FileError if the disk is full: finished shards stay, and the same call goes on.
 */
export async function writeStore(
  dir: string,
  model: Model,
  corpus: TokenCorpus,
  options: {
    hooks: readonly HookName[]
    n_tokens?: number
    model_path?: string
    dtype?: FloatDtype
    shard_tokens?: number
    batch_tokens?: number
    signal?: AbortSignal
    onProgress?: (progress: CaptureProgress) => void
  },
): Promise<Manifest> {
  const { hooks, dtype = 'F32', model_path, signal, onProgress } = options
  const { batch_tokens = batchTokens(model, hooks), shard_tokens = shardTokens(model, hooks) } =
    options
  const plan = planCapture(corpus, specialIds(model), { ...pick(options.n_tokens), batch_tokens })
  const empty: Manifest = {
    format: 'hooke activations',
    version: 1,
    model: {
      name: model.name,
      hash: model.hash,
      ...(model_path === undefined ? {} : { path: model_path }),
    },
    corpus: {
      hash: corpus.hash,
      files: corpus.files.map((file) => ({ ...file, name: basename(file.name) })),
    },
    hooks: hooks.map((name) => ({ name, width: model.width(name) })),
    dtype,
    n_tokens: plan.n_tokens,
    n_excluded: plan.n_excluded,
    batch_tokens,
    shard_tokens,
    shards: [],
  }
  let manifest = await resumable(dir, empty)
  let stored_bytes = manifest.shards.reduce((n, { size_bytes }) => n + size_bytes, 0)
  let n_tokens = storedTokens(manifest)
  const report = () => onProgress?.({ n_tokens, of_tokens: plan.n_tokens, stored_bytes })
  report()

  const first_batch = manifest.shards.reduce((n, { n_batches }) => n + n_batches, 0)
  let pending: CapturedBatch[] = []
  let pending_tokens = 0
  const flush = async () => {
    const file = `shard_${String(manifest.shards.length).padStart(5, '0')}.safetensors`
    const shard = await writeShard(join(dir, file), pending, manifest)
    manifest = { ...manifest, shards: [...manifest.shards, shard] }
    await writeJson(manifestPath(dir), manifest)
    stored_bytes += shard.size_bytes
    pending = []
    pending_tokens = 0
  }
  const captured = capture(model, corpus, {
    hooks,
    ...pick(options.n_tokens),
    batch_tokens,
    first_batch,
    ...(signal === undefined ? {} : { signal }),
  })
  for await (const batch of captured) {
    pending.push(batch)
    pending_tokens += batch.n_tokens
    n_tokens += batch.n_tokens
    if (pending_tokens >= shard_tokens) await flush()
    report()
  }
  if (pending.length > 0) await flush()
  report()
  return manifest
}

/** The manifest to go on from: that of `dir` less shards whose file is gone, or `empty`. */
async function resumable(dir: string, empty: Manifest): Promise<Manifest> {
  await sweepLeftovers([dir])
  const found = await readManifest(dir)
  if (found === undefined) return empty
  const differences = describeDifference(found, empty)
  if (differences.length > 0) {
    throw new FormatError(
      manifestPath(dir),
      `belongs to another capture: ${differences.join('; ')}. Capture into another folder, or remove this one.`,
    )
  }
  const present = await Promise.all(found.shards.map(({ file }) => pathExists(join(dir, file))))
  const firstGone = present.indexOf(false)
  return firstGone < 0 ? found : { ...found, shards: found.shards.slice(0, firstGone) }
}

async function writeShard(
  path: string,
  batches: readonly CapturedBatch[],
  { hooks, dtype }: Manifest,
): Promise<ShardEntry> {
  const n_tokens = batches.reduce((n, batch) => n + batch.n_tokens, 0)
  const tensors: [string, Tensor][] = []
  const sum_squares: number[] = []
  for (const { name, width } of hooks) {
    const parts = batches.map(({ acts }) => acts.get(name as HookName)!)
    const values = concatenate(parts, n_tokens * width)
    sum_squares.push(sumOfSquares(values, `${path}: ${name}`))
    const tensor = toStored(values, width, dtype, `${path}: ${name}`)
    tensors.push([name, tensor])
  }
  const token_index = new Int32Array(n_tokens)
  let at = 0
  for (const batch of batches) {
    token_index.set(batch.token_index, at)
    at += batch.n_tokens
  }
  tensors.push(['token_index', fromInt32(token_index, [n_tokens])])
  const bytes = writeSafetensors(tensors)
  await writeFileAtomic(path, bytes)
  return {
    file: basename(path),
    n_tokens,
    n_batches: batches.length,
    size_bytes: bytes.byteLength,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    sum_squares,
  }
}

/** A shard is held in memory until it is written, and once more while it is put together. */
function shardTokens(model: Model, hooks: readonly HookName[]): number {
  const token_bytes = 4 * hooks.reduce((total, hook) => total + model.width(hook), 0)
  const room = activationRoom(model.memory) ?? 2 ** 29
  return Math.max(256, Math.min(32_768, Math.floor(room / token_bytes)))
}

function concatenate(parts: readonly Float32Array[], length: number): Float32Array {
  const out = new Float32Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

function pick(n_tokens: number | undefined): { n_tokens?: number } {
  return n_tokens === undefined ? {} : { n_tokens }
}
