/** A graph with a checkpoint's weights, opened in ONNX Runtime. */

import { InferenceSession } from '#onnxruntime'
import { onnxGraph } from '../formats/index.ts'
import type { WeightedGraph } from './architecture.ts'
import type { Checkpoint } from './checkpoint.ts'

/**
 * Builds a graph and opens it. Every weight is external data in the checkpoint's own dtype, its bytes read for this
 * session only; ONNX Runtime folds the widening to float32 and keeps nothing else, so that a model takes its float32 size
 * and, while it opens, one session's bytes besides.
 *
 * Pointing ONNX Runtime at the file (`session.model_external_initializers_file_folder_path`) opens faster, 0.6 s of CPU
 * a layer instead of 1.3 (2304 wide, one thread; peak 0.9 GB instead of 1.1 for two layers), but it refuses links out of
 * the folder, which Hugging Face's cache is made of, and works neither in a browser nor on a remote file.
 * @param threads of ONNX Runtime inside one operator; 0 lets it choose.
 */
export async function openSession(
  name: string,
  checkpoint: Checkpoint,
  threads: number,
  build: (graph: WeightedGraph) => void,
): Promise<InferenceSession> {
  const graph = onnxGraph(name)
  const weights = new Set<string>()
  const external = (weight: string) => {
    const { dtype, shape, length } = checkpoint.entry(weight)
    weights.add(weight)
    return {
      value: graph.external(weight, dtype, shape, { location: weight, offset: 0, length }),
      isFloat32: dtype === 'F32',
    }
  }
  const widen = (value: string): string => graph.node('Cast', [value], { attributes: { to: 1 } })
  build({
    ...graph,
    weight(weight) {
      const { value, isFloat32 } = external(weight)
      return isFloat32 ? value : widen(value)
    },
    rows(weight, indices) {
      const { value, isFloat32 } = external(weight)
      const rows = graph.node('Gather', [value, indices])
      return isFloat32 ? rows : widen(rows)
    },
  })
  const externalData = await Promise.all(
    [...weights].map(async (path) => ({ path, data: (await checkpoint.read(path)).bytes })),
  )
  return InferenceSession.create(graph.finish(), {
    externalData,
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    // Every session has threads of its own, and by default they spin for a while after a run, on the cores that the
    // next session wants. Stopped at the end of each run, a pass through thimble-5m is 2.4 times as fast (2 cores).
    extra: { session: { force_spinning_stop: '1' } },
  })
}
