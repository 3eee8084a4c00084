/** Bulk writing in short statements: an embedded database computes on the calling thread, and a server must go on answering. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** No statement should hold the event loop longer; chunks are sized to take half of it. */
const LONGEST_MS = 50
const LARGEST_CHUNK = 2_000

/** Calls `write` on successive chunks sized by the time that the former took, and lets other work run in between. */
export async function inChunks<T>(
  rows: Iterable<T> | AsyncIterable<T>,
  write: (chunk: T[]) => Promise<void>,
): Promise<void> {
  let size = 16
  let chunk: T[] = []
  const flush = async () => {
    const started = performance.now()
    await write(chunk)
    const took_ms = performance.now() - started
    const fit = Math.floor((chunk.length * LONGEST_MS) / 2 / Math.max(took_ms, 0.1))
    size = Math.max(1, Math.min(LARGEST_CHUNK, 2 * size, fit))
    chunk = []
    await nextTurn()
  }
  for await (const row of rows) {
    chunk.push(row)
    if (chunk.length >= size) await flush()
  }
  if (chunk.length > 0) await flush()
}
