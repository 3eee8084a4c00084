/** An ONNX graph whose weights are inputs, open in ONNX Runtime: one serves every layer of the same structure. */

import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from '../formats/index.ts'
import type { WeightedGraph } from './graphs.ts'

export type GraphSession = {
  /** The weights that the graph takes as inputs, by part. */
  readonly parts: readonly string[]
  /** Runs for the float outputs named; the others are computed too where the graph has to, but only these are copied out. */
  run<Name extends string>(
    feeds: Readonly<Record<string, Tensor>>,
    outputs: readonly Name[],
  ): Promise<Record<Name, Float32Array>>
  close(): Promise<void>
}

/** Where graphs run. */
export type Backend = 'cpu' | 'webgpu' | 'cuda'

export type GraphSessionOptions = {
  /** Of ONNX Runtime inside one operator; 0 lets it choose. */
  readonly threads: number
  /** On an accelerator weights are constants, which it keeps; they are given here, and copied. */
  readonly accelerator?: {
    readonly backend: Exclude<Backend, 'cpu'>
    readonly weights: ReadonlyMap<string, Float32Array>
  }
}

/**
 * Builds a graph and opens it; on the CPU nothing of a model is copied into it.
 *
 * A product whose matrix is an input takes 5 to 19 % longer than one whose matrix ONNX Runtime has packed (512 tokens or
 * more), but no second copy exists, and one session serves every layer.
 * @param shapes of the weights by part; absent parts are absent in the model.
 */
export async function openGraphSession(
  name: string,
  shapes: ReadonlyMap<string, readonly (number | string)[]>,
  { threads, accelerator }: GraphSessionOptions,
  build: (graph: WeightedGraph) => void,
): Promise<GraphSession> {
  const graph = onnxGraph(name)
  const parts = new Set<string>()
  const constants = new Map<string, Uint8Array>()
  build({
    ...graph,
    has: (part) => shapes.has(part),
    weight(part) {
      const shape = shapes.get(part)
      if (shape === undefined) throw new TypeError(`graph ${name}: there is no weight ${part}`)
      if (parts.has(part) || constants.has(part)) return part
      const array = accelerator?.weights.get(part)
      if (array === undefined) {
        parts.add(part)
        return graph.input(part, 'F32', shape)
      }
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
      constants.set(part, bytes)
      const where = { location: part, offset: 0, length: bytes.byteLength }
      return graph.external(part, 'F32', shape as readonly number[], where)
    },
  })
  const session = await InferenceSession.create(graph.finish(), {
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    ...(accelerator === undefined ? {} : { executionProviders: [accelerator.backend] }),
    externalData: Array.from(constants, ([path, data]) => ({ path, data })),
    // Every session has threads of its own, and by default they spin for a while after a run, on the cores that the
    // next session wants. Stopped at the end of each run, a pass through thimble-5m is 2.4 times as fast (2 cores).
    extra: { session: { force_spinning_stop: '1' } },
  })
  return {
    parts: [...parts],
    async run(feeds, outputs) {
      const result = await session.run(feeds, outputs)
      const arrays = outputs.map((output) => [output, result[output]!.data])
      return Object.fromEntries(arrays)
    },
    close: () => session.release(),
  }
}

export const float = (data: Float32Array, dims: readonly number[]): Tensor =>
  new Tensor('float32', data, dims)

export const int32 = (data: Int32Array, dims: readonly number[]): Tensor =>
  new Tensor('int32', data, dims)

export const int64 = (value: number): Tensor =>
  new Tensor('int64', BigInt64Array.of(BigInt(value)), [1])
