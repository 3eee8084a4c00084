/** An ONNX graph of a part of a model, open in ONNX Runtime. */

import { InferenceSession, Tensor } from '#onnxruntime'
import { DTYPE_BYTES, elementCount, onnxGraph } from '../formats/index.ts'
import { openDigitProducts, splitMatrix } from './digits.ts'
import { giveBack } from './giveBack.ts'
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

/** Weights that ONNX Runtime keeps, in the form that its products want; what is given here is copied, and may go. */
type Constants = {
  readonly backend: Backend
  /** Matrices are cut into digits (digits.ts). */
  readonly areDigits: boolean
  /** A weight by its part, [d] or [d_out, d_in]; an array that no later reading changes, and where they become digits one that may be released. */
  read(part: string): Promise<Float32Array>
}

export type GraphSessionOptions = {
  /** Of ONNX Runtime inside one operator; 0 lets it choose. */
  readonly threads: number
  /** Absent: weights are inputs, nothing is copied, and one session serves every layer of the same structure. */
  readonly constants?: Constants | undefined
  /** Room for arrays inside is given back after every run. */
  readonly isLean?: boolean
}

/**
 * Builds a graph and opens it.
 *
 * A product whose matrix is an input takes 5 to 19 % longer than one whose matrix ONNX Runtime has packed (512 tokens or
 * more), but needs no session a layer.
 * @param shapes of the weights by part; absent parts are absent in the model.
 */
export async function openGraphSession(
  name: string,
  shapes: ReadonlyMap<string, readonly (number | string)[]>,
  { threads, constants, isLean = false }: GraphSessionOptions,
  build: (graph: WeightedGraph) => void,
): Promise<GraphSession> {
  const graph = onnxGraph(name)
  const parts = new Set<string>()
  const matrices = new Set<string>()
  const shapeOf = (part: string): readonly (number | string)[] => {
    const shape = shapes.get(part)
    if (shape === undefined) throw new TypeError(`graph ${name}: there is no weight ${part}`)
    return shape
  }
  const constant = (value: string, dtype: 'F32' | 'I8', shape: readonly number[]): string => {
    const length = DTYPE_BYTES[dtype] * elementCount(shape)
    return graph.external(value, dtype, shape, { location: value, offset: 0, length })
  }
  const weight = (part: string): string => {
    const shape = shapeOf(part)
    if (parts.has(part)) return part
    parts.add(part)
    return constants === undefined
      ? graph.input(part, 'F32', shape)
      : constant(part, 'F32', shape as readonly number[])
  }
  const times = constants?.areDigits === true ? openDigitProducts(graph) : undefined
  const product = (x: string, part: string): string => {
    const [d_out, d_in] = shapeOf(part) as [number, number]
    matrices.add(part)
    return times!(x, {
      high: constant(`${part}_high`, 'I8', [d_out, d_in]),
      both: constant(`${part}_both`, 'I8', [d_out, 2 * d_in]),
      scales: constant(`${part}_scales`, 'F32', [d_out]),
      d_out,
    })
  }
  build({
    ...graph,
    has: (part) => shapes.has(part),
    weight,
    ...(times === undefined ? {} : { product }),
  })
  const files = new Map<string, Float32Array | Int8Array>()
  if (constants !== undefined) {
    for (const part of parts) files.set(part, await constants.read(part))
    for (const part of matrices) {
      const matrix = await constants.read(part)
      const digits = splitMatrix(matrix, Number(shapeOf(part)[1]))
      giveBack(matrix)
      for (const [kind, array] of Object.entries(digits)) files.set(`${part}_${kind}`, array)
    }
  }
  const isAccelerated = constants !== undefined && constants.backend !== 'cpu'
  const session = await InferenceSession.create(graph.finish(), {
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    ...(isAccelerated ? { executionProviders: [constants.backend] } : {}),
    // A session keeps what its arrays once took, and with constants there is one a layer.
    enableCpuMemArena: !isLean && (constants === undefined || isAccelerated),
    externalData: Array.from(files, ([path, { buffer, byteOffset, byteLength }]) => ({
      path,
      data: new Uint8Array(buffer, byteOffset, byteLength),
    })),
    // Every session has threads of its own, and by default they spin for a while after a run, on the cores that the
    // next session wants. Stopped at the end of each run, a pass through thimble-5m is 2.4 times as fast (2 cores).
    extra: { session: { force_spinning_stop: '1' } },
  })
  if (constants?.areDigits === true) for (const array of files.values()) giveBack(array)
  return {
    parts: constants === undefined ? [...parts] : [],
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
