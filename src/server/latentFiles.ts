/** Open latents.safetensors files, for reading one record at a time. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openPieces } from '../jobs/index.ts'
import { LATENTS_FILE, type LatentFile, openLatents } from '../latents/disk.ts'
import type { LatentRecord } from '../latents/index.ts'

const MAX_OPEN = 64

/** A file, how many read it now, and whether it is to be closed once nobody does. */
type Opened = {
  readonly file: Promise<LatentFile>
  readonly written_ms: number
  n_readers: number
  isRetired: boolean
}

/** Keeps files open between requests, the least recently used closed, a file that was written again opened anew. */
export class LatentFiles {
  /** In the order of use. */
  #files = new Map<string, Opened>()
  #pieces = new Map<string, Promise<(id: number) => string>>()

  /** @throws RangeError if there is no such latent; FileError if the SAE is not indexed. */
  async record(
    dir: string,
    index: number,
  ): Promise<{ record: LatentRecord; n_tokens: number; n_intervals: number }> {
    const opened = await this.#take(dir)
    try {
      const file = await opened.file
      const { n_intervals } = file.info
      return { record: await file.record(index), n_tokens: file.n_tokens, n_intervals }
    } finally {
      opened.n_readers--
      await closeIdle(opened)
    }
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
    for (const dir of [...this.#files.keys()]) await this.#retire(dir)
  }

  /** The file with one reader more. */
  async #take(dir: string): Promise<Opened> {
    const written_ms = (await stat(join(dir, LATENTS_FILE))).mtimeMs
    let opened = this.#files.get(dir)
    if (opened?.written_ms !== written_ms) {
      const retired = this.#retire(dir)
      // Kept while it opens, so that requests at the same time share it.
      opened = { file: openLatents(dir), written_ms, n_readers: 0, isRetired: false }
      const failed = opened
      opened.file.catch(() => this.#files.get(dir) === failed && this.#files.delete(dir))
      opened.n_readers++
      this.#files.set(dir, opened)
      await retired
    } else {
      opened.n_readers++
      this.#files.delete(dir)
      this.#files.set(dir, opened)
    }
    const [oldest] = this.#files.keys()
    if (oldest !== undefined && this.#files.size > MAX_OPEN) await this.#retire(oldest)
    return opened
  }

  /** Closed now, or after its last reader. */
  async #retire(dir: string): Promise<void> {
    const opened = this.#files.get(dir)
    if (!opened) return
    this.#files.delete(dir)
    opened.isRetired = true
    await closeIdle(opened)
  }
}

/** A file that did not open has told its reader why. */
const closeIdle = async ({ file, n_readers, isRetired }: Opened): Promise<void> => {
  if (isRetired && n_readers === 0) await file.then((opened) => opened.close()).catch(() => {})
}
