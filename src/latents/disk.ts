/** Latent indexes on disk: `latents.safetensors` in the SAE's folder. The only file of this folder that touches files. */

import { join } from 'node:path'
import { openFile, writeFileAtomic } from '../files/index.ts'
import { type LatentReader, parseLatents, renderLatents } from './latentFile.ts'
import type { LatentIndex } from './types.ts'

/** The file in an SAE's folder. */
export const LATENTS_FILE = 'latents.safetensors'

/** An open index on disk. */
export type LatentFile = LatentReader & {
  readonly path: string
  close(): Promise<void>
}

/**
 * Saves an index into an SAE's folder, atomically.
 * @throws FileError if the disk refuses.
 */
export async function saveLatents(dir: string, index: LatentIndex): Promise<void> {
  await writeFileAtomic(join(dir, LATENTS_FILE), renderLatents(index))
}

/**
 * Opens the index in an SAE's folder.
 * @throws FileError if there is none, FormatError if the file is damaged or not an index.
 */
export async function openLatents(dir: string): Promise<LatentFile> {
  const file = await openFile(join(dir, LATENTS_FILE))
  try {
    const latents = await parseLatents(file)
    return { ...latents, path: file.path, close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}
