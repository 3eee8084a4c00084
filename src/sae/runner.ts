/**
 * The fast path of encode: one ONNX Runtime product a chunk of rows, then a scan for what lies above its threshold.
 *
 * The weights are inputs of the graph, not constants in it: no second copy of them, and no limit by protobuf's 2 GiB.
 */

import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from '../formats/index.ts'
import { checkShapes } from './check.ts'
import { decode, rowCount } from './jumprelu.ts'
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
  const session = await InferenceSession.create(encoderGraph(), {
    intraOpNumThreads: options.threads ?? 0,
    logSeverityLevel: 3,
    extra: { session: { force_spinning_stop: '1' } }, // the scan and the next session need the cores
  })
  const { d_in, d_sae, threshold } = sae
  const weights = {
    W_enc: new Tensor('float32', sae.W_enc, [d_in, d_sae]),
    b_enc: new Tensor('float32', sae.b_enc, [d_sae]),
  }
  const chunk_rows = Math.max(1, Math.min(MAX_CHUNK_ROWS, Math.floor(CHUNK_BYTES / (4 * d_sae))))
  let pre_acts = new Float32Array(0)

  return {
    sae,
    async encode(x) {
      const n = rowCount('encode', sae, x)
      const builder = sparseBuilder(n, d_sae)
      for (let row = 0; row < n; row += chunk_rows) {
        const rows = Math.min(chunk_rows, n - row)
        if (pre_acts.length < rows * d_sae) pre_acts = new Float32Array(rows * d_sae)
        const out = pre_acts.subarray(0, rows * d_sae)
        await session.run(
          {
            x: new Tensor('float32', x.subarray(row * d_in, (row + rows) * d_in), [rows, d_in]),
            ...weights,
          },
          { pre_acts: new Tensor('float32', out, [rows, d_sae]) },
        )
        builder.scan(out, rows, threshold)
      }
      return builder.finish()
    },
    decode: (acts) => decode(sae, acts),
    close: () => session.release(),
  }
}

/** `pre_acts = x W_enc + b_enc` for any n, d_in and d_sae. */
function encoderGraph(): Uint8Array {
  const graph = onnxGraph('encoder')
  const x = graph.input('x', 'F32', ['n', 'd_in'])
  const W_enc = graph.input('W_enc', 'F32', ['d_in', 'd_sae'])
  const b_enc = graph.input('b_enc', 'F32', ['d_sae'])
  graph.output('pre_acts', graph.node('Gemm', [x, W_enc, b_enc]), 'F32', ['n', 'd_sae'])
  return graph.finish()
}

/** Gathers compressed rows in arrays that double when full. */
function sparseBuilder(n: number, d_sae: number) {
  const row_start = new Int32Array(n + 1)
  let index = new Int32Array(Math.max(16, n * 32))
  let value = new Float32Array(index.length)
  let nnz = 0
  let done = 0
  return {
    scan(pre_acts: Float32Array, rows: number, threshold: Float32Array): void {
      for (let row = 0; row < rows; row++) {
        if (index.length < nnz + d_sae) {
          const length = Math.max(2 * index.length, nnz + d_sae)
          index = grow(index, new Int32Array(length))
          value = grow(value, new Float32Array(length))
        }
        const start = row * d_sae
        for (let latent = 0; latent < d_sae; latent++) {
          const pre_act = pre_acts[start + latent]!
          if (pre_act > threshold[latent]!) {
            index[nnz] = latent
            value[nnz] = pre_act
            nnz++
          }
        }
        done++
        row_start[done] = nnz
      }
    },
    finish(): SparseActs {
      return { n, d_sae, row_start, index: index.slice(0, nnz), value: value.slice(0, nnz) }
    },
  }
}

function grow<A extends Int32Array | Float32Array>(from: A, to: A): A {
  to.set(from)
  return to
}
