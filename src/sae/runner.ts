/**
 * The fast path of encode and decode: one ONNX Runtime product a chunk of rows, then a scan for the active latents.
 *
 * The weights are inputs of the graph, not constants in it: no second copy of them, and no limit by protobuf's 2 GiB.
 */

import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from '../formats/index.ts'
import { checkShapes } from './check.ts'
import { addActive, decode, skipInput } from './decode.ts'
import { rowCount } from './encode.ts'
import { selectJumprelu } from './jumprelu.ts'
import { outputSite } from './shapes.ts'
import { selectTopk } from './topk.ts'
import type { Sae, SaeRunner, SparseActs } from './types.ts'

/** The most memory that dense pre-activations of one chunk may take. */
const CHUNK_BYTES = 2 ** 24
const MAX_CHUNK_ROWS = 1024

/**
 * Opens the fast path of one SAE; its results equal `encode` and `decode` up to rounding.
 * @param options.threads threads of the product, all cores unless given.
 * @throws RangeError if arrays and sizes disagree or a number is not finite.
 */
export async function openRunner(
  sae: Sae,
  options: { readonly threads?: number } = {},
): Promise<SaeRunner> {
  checkShapes(sae, `openRunner: SAE at ${sae.hook_name}`)
  const session = await InferenceSession.create(affineGraph(), {
    intraOpNumThreads: options.threads ?? 0,
    logSeverityLevel: 3,
    extra: { session: { force_spinning_stop: '1' } }, // the scan and the next session need the cores
  })
  const { d_in, d_sae } = sae
  const encoder = {
    W: new Tensor('float32', sae.W_enc, [d_in, d_sae]),
    b: new Tensor('float32', sae.b_enc, [d_sae]),
  }
  const chunk_rows = Math.max(1, Math.min(MAX_CHUNK_ROWS, Math.floor(CHUNK_BYTES / (4 * d_sae))))
  let pre_acts = new Float32Array(0)

  /** `y = x W + b` into `y` [rows, d]. */
  const affine = (x: Float32Array, weights: typeof encoder, y: Float32Array, rows: number) =>
    session.run(
      { x: new Tensor('float32', x, [rows, d_in]), ...weights },
      { y: new Tensor('float32', y, [rows, y.length / rows]) },
    )

  return {
    sae,
    async encode(x) {
      const n = rowCount('encode', sae, x)
      const builder = sparseBuilder(sae, n)
      for (let row = 0; row < n; row += chunk_rows) {
        const rows = Math.min(chunk_rows, n - row)
        if (pre_acts.length < rows * d_sae) pre_acts = new Float32Array(rows * d_sae)
        const out = pre_acts.subarray(0, rows * d_sae)
        await affine(x.subarray(row * d_in, (row + rows) * d_in), encoder, out, rows)
        for (let start = 0; start < out.length; start += d_sae) {
          builder.push(out.subarray(start, start + d_sae))
        }
      }
      return builder.finish()
    },
    async decode(acts, x) {
      const skip = skipInput(sae, acts, x)
      if (skip === undefined || acts.n === 0) return decode(sae, acts, x)
      const { d } = outputSite(sae)
      const recon = new Float32Array(acts.n * d)
      const weights = {
        W: new Tensor('float32', skip.W_skip, [d_in, d]),
        b: new Tensor('float32', sae.b_dec, [d]),
      }
      await affine(skip.x, weights, recon, acts.n)
      addActive(sae, acts, recon)
      return recon
    },
    close: () => session.release(),
  }
}

/** `y = x W + b` for any sizes. */
export function affineGraph(): Uint8Array {
  const graph = onnxGraph('affine')
  const x = graph.input('x', 'F32', ['n', 'd_in'])
  const W = graph.input('W', 'F32', ['d_in', 'd'])
  const b = graph.input('b', 'F32', ['d'])
  graph.output('y', graph.node('Gemm', [x, W, b]), 'F32', ['n', 'd'])
  return graph.finish()
}

/** Gathers the active latents of n rows in arrays that double when full. */
function sparseBuilder(sae: Sae, n: number) {
  const { d_sae } = sae
  const select = selectActive(sae)
  const row_start = new Int32Array(n + 1)
  let index = new Int32Array(Math.max(16, n * 32))
  let value = new Float32Array(index.length)
  let nnz = 0
  let done = 0
  return {
    /** @param pre_acts [d_sae], of the next row. */
    push(pre_acts: Float32Array): void {
      if (index.length < nnz + d_sae) {
        const length = Math.max(2 * index.length, nnz + d_sae)
        index = grow(index, new Int32Array(length))
        value = grow(value, new Float32Array(length))
      }
      nnz = select(pre_acts, index, value, nnz)
      done++
      row_start[done] = nnz
    },
    finish(): SparseActs {
      return { n, d_sae, row_start, index: index.slice(0, nnz), value: value.slice(0, nnz) }
    },
  }
}

/** Writes a row's active latents behind the `at` entries that are there, and returns how many there are then. */
type Select = (pre_acts: Float32Array, index: Int32Array, value: Float32Array, at: number) => number

function selectActive(sae: Sae): Select {
  switch (sae.architecture) {
    case 'jumprelu':
      return (pre_acts, index, value, at) =>
        selectJumprelu(pre_acts, sae.threshold, index, value, at)
    case 'topk': {
      const heap = new Float32Array(sae.k!)
      return (pre_acts, index, value, at) => selectTopk(pre_acts, heap, index, value, at)
    }
    default:
      return sae.architecture satisfies never
  }
}

function grow<A extends Int32Array | Float32Array>(from: A, to: A): A {
  to.set(from)
  return to
}
