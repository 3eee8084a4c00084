/** Open latents.safetensors files, for reading one record at a time. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openPieces } from '../jobs/index.ts'
import { LATENTS_FILE, type LatentFile, openLatents } from '../latents/disk.ts'
import type { LatentRecord } from '../latents/index.ts'

const MAX_OPEN = 64

/** Keeps files open between requests, the least recently used closed, a file that was written again opened anew. */
export class LatentFiles {
  /** In the order of use. */
  #files = new Map<string, { readonly file: Promise<LatentFile>; readonly written_ms: number }>()
  #pieces = new Map<string, Promise<(id: number) => string>>()

  /** @throws RangeError if there is no such latent; FileError if the SAE is not indexed. */
  async record(dir: string, index: number): Promise<{ record: LatentRecord; n_tokens: number }> {
    const file = await this.#open(dir)
    return { record: await file.record(index), n_tokens: file.n_tokens }
  }

  /** How token ids of a suite are shown. */
  pieces(suite_folder: string): Promise<(id: number) => string> {
    let pieces = this.#pieces.get(suite_folder)
    if (!pieces) {
      pieces = openPieces(suite_folder)
      this.#pieces.set(suite_folder, pieces)
      pieces.catch(() => this.#pieces.delete(suite_folder))
    }
    return pieces
  }

  async close(): Promise<void> {
    const files = [...this.#files.values()]
    this.#files.clear()
    for (const { file } of files) await (await file).close()
  }

  async #open(dir: string): Promise<LatentFile> {
    const written_ms = (await stat(join(dir, LATENTS_FILE))).mtimeMs
    const known = this.#files.get(dir)
    this.#files.delete(dir)
    if (known?.written_ms === written_ms) {
      this.#files.set(dir, known)
      return known.file
    }
    // Kept while it opens, so that requests at the same time share it.
    const file = openLatents(dir)
    this.#files.set(dir, { file, written_ms })
    file.catch(() => {
      if (this.#files.get(dir)?.file === file) this.#files.delete(dir)
    })
    if (known) await (await known.file).close()
    const [oldest] = this.#files
    if (oldest && this.#files.size > MAX_OPEN) {
      this.#files.delete(oldest[0])
      await (await oldest[1].file).close()
    }
    return file
  }
}
