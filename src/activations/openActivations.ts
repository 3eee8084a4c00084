/** Opens an activation store: shuffled batches for training (`shuffle.ts`), and a check of its bytes. */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type OpenFile, openFile, pathExists } from '../files/index.ts'
import { FormatError, parseSafetensors } from '../formats/index.ts'
import type { HookName } from '../model/index.ts'
import {
  contentHash,
  type Manifest,
  manifestPath,
  readManifest,
  rootMeanSquareNorm,
  type ShardEntry,
  storedTokens,
} from './manifest.ts'
import { rowsOf } from './rows.ts'
import { type ShardReader, shuffledBatches } from './shuffle.ts'
import type { BatchSource } from './types.ts'

/** Memory for activations unless asked otherwise: the bundled model's store fits whole. */
const MEMORY_BYTES = 3 * 2 ** 30

/** An open store. */
export type ActivationStore = BatchSource & {
  readonly dir: string
  readonly manifest: Manifest
  close(): Promise<void>
}

/**
 * Opens a finished store.
 * @param memory_bytes most memory for activations held at once (default 3 GiB).
 * @throws FormatError if there is no store, it is not finished, or a shard is missing or has another size or shape.
 */
export async function openActivations(
  dir: string,
  { memory_bytes = MEMORY_BYTES }: { memory_bytes?: number } = {},
): Promise<ActivationStore> {
  const manifest = await finishedManifest(dir)
  const hooks = manifest.hooks.map(({ name }) => name as HookName)
  const widths = new Map(hooks.map((hook, i) => [hook, manifest.hooks[i]!.width] as const))
  const width = (hook: HookName): number => {
    const found = widths.get(hook)
    if (found !== undefined) return found
    throw new RangeError(`${dir}: has no activations of ${hook}; it has ${hooks.join(', ')}.`)
  }
  const files: OpenFile[] = []
  const close = async () => {
    await Promise.all(files.splice(0).map((file) => file.close()))
  }
  try {
    for (const shard of manifest.shards) files.push(await openShard(dir, shard))
    const shards = await Promise.all(
      manifest.shards.map((shard, i) => openRows(files[i]!, shard, manifest)),
    )
    return {
      dir,
      manifest,
      hooks,
      width,
      norm(hook) {
        width(hook)
        return rootMeanSquareNorm(manifest, hook)
      },
      n_tokens: manifest.n_tokens,
      hash: contentHash(manifest),
      batches: (options) => shuffledBatches(shards, hooks, { memory_bytes, ...options }),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Reads a store again and compares every shard with its checksum.
 * @throws FormatError naming the first shard that is missing or has changed.
 */
export async function verifyStore(dir: string, signal?: AbortSignal): Promise<Manifest> {
  const manifest = await finishedManifest(dir)
  for (const shard of manifest.shards) {
    const file = await openShard(dir, shard)
    try {
      const hash = createHash('sha256')
      const step = 1 << 24
      for (let at = 0; at < file.size_bytes; at += step) {
        signal?.throwIfAborted()
        hash.update(await file.read(at, Math.min(step, file.size_bytes - at)))
      }
      const found = hash.digest('hex')
      if (found !== shard.sha256) {
        throw new FormatError(
          file.path,
          `has changed: its sha256 is ${found}, the manifest says ${shard.sha256}. Remove the file and run the capture again.`,
        )
      }
    } finally {
      await file.close()
    }
  }
  return manifest
}

async function finishedManifest(dir: string): Promise<Manifest> {
  const manifest = await readManifest(dir)
  if (manifest === undefined) {
    throw new FormatError(dir, 'is not an activation store: it has no manifest.json. Run capture.')
  }
  const n_tokens = storedTokens(manifest)
  if (n_tokens !== manifest.n_tokens) {
    throw new FormatError(
      manifestPath(dir),
      `lists ${n_tokens} of ${manifest.n_tokens} tokens: the capture did not finish. Run it again; it goes on where it ended.`,
    )
  }
  return manifest
}

async function openShard(dir: string, { file, size_bytes }: ShardEntry): Promise<OpenFile> {
  const path = join(dir, file)
  if (!(await pathExists(path))) {
    throw new FormatError(path, 'is missing. Run the capture again: it makes what is missing.')
  }
  const open = await openFile(path)
  if (open.size_bytes === size_bytes) return open
  await open.close()
  throw new FormatError(
    path,
    `has ${open.size_bytes} bytes, the manifest says ${size_bytes}. Remove the file and run the capture again.`,
  )
}

async function openRows(
  file: OpenFile,
  { n_tokens }: ShardEntry,
  { hooks, dtype }: Manifest,
): Promise<ShardReader> {
  const { tensors } = await parseSafetensors(file)
  const entries = hooks.map(({ name, width }) => {
    const entry = tensors.get(name)
    const { shape } = entry ?? {}
    if (
      entry?.dtype === dtype &&
      shape?.length === 2 &&
      shape[0] === n_tokens &&
      shape[1] === width
    )
      return { ...entry, width }
    throw new FormatError(
      file.path,
      `holds ${entry === undefined ? 'no tensor' : `${entry.dtype} [${shape?.join(', ')}]`} for ${name}, the manifest says ${dtype} [${n_tokens}, ${width}]. Remove the file and run the capture again.`,
    )
  })
  return {
    n_tokens,
    size_bytes: entries.reduce((sum, { length }) => sum + length, 0),
    read: () =>
      Promise.all(
        entries.map(async ({ offset, length, width }) =>
          rowsOf(await file.read(offset, length), dtype, width),
        ),
      ),
  }
}
