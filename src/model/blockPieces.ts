/**
 * Blocks for a store that does not keep float32: products take a slice of a matrix's rows at a time, so that little of a model is
 * widened at once. What lies between products has graphs of its own, and arrays go back as soon as they are read.
 *
 * The twin is the pass in whole blocks (network.ts over a float store): both give the same numbers.
 */

import type { Tensor } from '#onnxruntime'
import type { BlockPart, ModelWeights } from './architecture.ts'
import { giveBack } from './giveBack.ts'
import { float, type GraphSession, openGraphSession } from './graphSession.ts'
import { BLOCK_PIECES, type WeightedGraph } from './graphs.ts'
import { SLICE_NUMBERS, sliceRows } from './memory.ts'
import type { MlpOutput } from './network.ts'
import type { ModelConfig } from './types.ts'
import type { WeightStore } from './weights.ts'

export type BlockPieces = {
  /** resid_pre [m, d_model] to queries, keys and values, before their norms and rotation. */
  project(layer: number, resid_pre: Float32Array): Promise<Record<'q' | 'k' | 'v', Float32Array>>
  /** As `Network.mlp`. */
  mlp<Name extends MlpOutput>(
    layer: number,
    resid_pre: Float32Array,
    z: Float32Array,
    outputs: readonly Name[],
  ): Promise<Record<Name, Float32Array>>
  close(): Promise<void>
}

/** A graph for every layer, and which weights of a block it takes under which name. */
type Piece = {
  readonly session: GraphSession
  readonly parts: ReadonlyMap<string, BlockPart>
  /** Rows of its matrices at a time; absent where it has none. */
  readonly slice_rows?: number
}

/** Numbers of the widest array inside a graph, at a time: 4 MiB. */
const CHUNK_NUMBERS = 2 ** 20
/** Rows of the batch at a time, if there are as many: with fewer, products wait for their weights. */
const MIN_CHUNK_ROWS = 256

/** Opens the sessions. @param slice_numbers of float32 weights at a time. */
export async function openBlockPieces(
  config: ModelConfig,
  weights: ModelWeights,
  store: WeightStore,
  threads: number,
  slice_numbers: number = SLICE_NUMBERS,
): Promise<BlockPieces> {
  const { d_model, d_mlp, n_layers } = config
  const block = weights.blocks[0]!
  const sessions: GraphSession[] = []

  const open = async (
    name: string,
    shapes: ReadonlyMap<string, readonly (number | string)[]>,
    build: (graph: WeightedGraph) => void,
  ): Promise<GraphSession> => {
    const session = await openGraphSession(name, shapes, { threads, isLean: true }, build)
    sessions.push(session)
    return session
  }
  /** A piece without matrices. */
  const openPlain = async (name: 'normalize' | 'join' | 'end'): Promise<Piece> => {
    const shapes = new Map(Object.entries(block).map(([part, { shape }]) => [part, shape]))
    const session = await open(name, shapes, (graph) => BLOCK_PIECES[name](graph, config))
    return { session, parts: new Map(session.parts.map((part) => [part, part as BlockPart])) }
  }
  /** A piece of which matrices with as many rows are cut into slices, biases with them. */
  const openHidden = async (): Promise<Piece> => {
    const names = (['gate', 'gate_b', 'up', 'up_b'] as const).filter((part) => part in block)
    const shapes = new Map(names.map((part) => [part, ['s', ...block[part]!.shape.slice(1)]]))
    const session = await open('hidden', shapes, (graph) => BLOCK_PIECES.hidden(graph, config))
    const matrices = [block.gate, block.up].filter((spec) => spec !== undefined)
    const slice_rows = sliceRows(matrices, slice_numbers)
    return { session, parts: new Map(names.map((part) => [part, part])), slice_rows }
  }
  const products = new Map<boolean, GraphSession>()
  const openProduct = async (part: 'q' | 'k' | 'v' | 'o' | 'down'): Promise<Piece> => {
    const hasBias = `${part}_b` in block
    const shapes = new Map([['w', ['s', 'k']]])
    if (hasBias) shapes.set('w_b', ['s'])
    const session =
      products.get(hasBias) ??
      (await open('product', shapes, (graph) => BLOCK_PIECES.product(graph)))
    products.set(hasBias, session)
    const parts = new Map<string, BlockPart>([['w', part]])
    if (hasBias) parts.set('w_b', `${part}_b` as BlockPart)
    return { session, parts, slice_rows: sliceRows([block[part]!], slice_numbers) }
  }

  const normalize = await openPlain('normalize')
  const q = await openProduct('q')
  const k = await openProduct('k')
  const v = await openProduct('v')
  const o = await openProduct('o')
  const join = await openPlain('join')
  const hiddenLayer = await openHidden()
  const down = await openProduct('down')
  const end = await openPlain('end')

  const weightsOf = async (
    { parts }: Piece,
    layer: number,
    first: number,
    count: number | undefined,
  ): Promise<Record<string, Tensor>> => {
    const next = (layer + 1) % n_layers
    const range = count === undefined ? undefined : { first, count }
    const arrays = await store.block(layer, [...parts.values()], next, range)
    return Object.fromEntries(
      Array.from(parts, ([name, part]) => {
        const [rows, ...columns] = weights.blocks[layer]![part]!.shape
        return [name, float(arrays.get(part)!, [count ?? rows, ...columns])]
      }),
    )
  }

  /**
   * Runs a piece, a slice of its matrices and a chunk of rows at a time.
   * @param inputs each [m, its width]. @returns outputs [m, width].
   */
  const run = async <Name extends string>(
    piece: Piece,
    layer: number,
    m: number,
    inputs: Readonly<Record<string, Float32Array>>,
    outputs: readonly Name[],
    width: number,
  ): Promise<Record<Name, Float32Array>> => {
    const step = piece.slice_rows ?? width
    const most = Math.max(MIN_CHUNK_ROWS, Math.floor(CHUNK_NUMBERS / step))
    const rows = Math.ceil(m / Math.ceil(m / most))
    const empty = (): Float32Array => new Float32Array(m * width)
    let whole: Record<string, Float32Array> | undefined
    for (let first = 0; first < width; first += step) {
      const columns = Math.min(step, width - first)
      const count = piece.slice_rows === undefined ? undefined : columns
      const feeds = await weightsOf(piece, layer, first, count)
      for (let from = 0; from < m; from += rows) {
        const n = Math.min(rows, m - from)
        const own = Object.entries(inputs).map(([name, array]) => {
          const d = array.length / m
          return [name, float(array.subarray(from * d, (from + n) * d), [n, d])]
        })
        const part = await piece.session.run({ ...feeds, ...Object.fromEntries(own) }, outputs)
        if (n === m && columns === width) return part
        whole ??= Object.fromEntries(outputs.map((name) => [name, empty()]))
        for (const name of outputs) {
          for (let row = 0; row < n; row++)
            whole[name]!.set(
              part[name].subarray(row * columns, (row + 1) * columns),
              (from + row) * width + first,
            )
          giveBack(part[name])
        }
      }
    }
    return whole as Record<Name, Float32Array>
  }
  const product = async (piece: Piece, layer: number, m: number, x: Float32Array, width: number) =>
    (await run(piece, layer, m, { x }, ['y'], width)).y

  return {
    async project(layer, resid_pre) {
      const m = resid_pre.length / d_model
      const heads = (part: 'q' | 'k' | 'v'): number => block[part]!.shape[0]
      const { normed } = await run(normalize, layer, m, { resid_pre }, ['normed'], d_model)
      const projected = {
        q: await product(q, layer, m, normed, heads('q')),
        k: await product(k, layer, m, normed, heads('k')),
        v: await product(v, layer, m, normed, heads('v')),
      }
      giveBack(normed)
      return projected
    },

    async mlp(layer, resid_pre, z, outputs) {
      const m = resid_pre.length / d_model
      const wanted = (name: MlpOutput): boolean => outputs.some((output) => output === name)
      const attended = await product(o, layer, m, z, d_model)
      const joined = await run(
        join,
        layer,
        m,
        { resid_pre, attended },
        wanted('attn_out') ? ['sum', 'normed', 'attn_out'] : ['sum', 'normed'],
        d_model,
      )
      giveBack(attended)
      const { sum, normed } = joined
      const found: Record<string, Float32Array> = { ...joined, resid_mid: sum }
      const ends = (['mlp_out', 'resid_post'] as const).filter(wanted)
      if (ends.length > 0) {
        const { hidden } = await run(hiddenLayer, layer, m, { normed }, ['hidden'], d_mlp)
        giveBack(normed)
        const mlp = await product(down, layer, m, hidden, d_model)
        giveBack(hidden)
        Object.assign(found, await run(end, layer, m, { sum, mlp }, ends, d_model))
        giveBack(mlp)
      }
      if (!wanted('resid_mid')) giveBack(sum)
      return Object.fromEntries(outputs.map((name) => [name, found[name]!])) as Record<
        (typeof outputs)[number],
        Float32Array
      >
    },

    async close() {
      await Promise.all(sessions.map((session) => session.close()))
    },
  }
}
