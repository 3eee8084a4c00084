/** Sessions whose outputs are arrays that are there already. */
import type { InferenceSession, Tensor } from '#onnxruntime'

/**
 * Runs a session into given arrays. Its binding returns copies besides, which go back at once: left to the garbage collector
 * they hold about 70 MB a thread, and every run touches new memory.
 */
export async function runInto(
  session: InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
  fetches: Readonly<Record<string, Tensor>>,
): Promise<void> {
  const results = await session.run(feeds, fetches)
  for (const [name, { data }] of Object.entries(results)) {
    const { buffer } = data as Float32Array<ArrayBuffer>
    if (buffer !== (fetches[name]!.data as Float32Array).buffer) buffer.transfer(0)
  }
}
