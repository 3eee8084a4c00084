/** Matrix products of directions, and the largest and smallest entries of each row of a product that is never whole in memory. */

import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from '../formats/index.ts'

/** A [m, d] times the transpose of B [n, d]: [m, n], row-major. */
export type Multiply = (A: Float32Array, B: Float32Array, d: number) => Promise<Float32Array>

/** The product on ONNX Runtime. @param threads all cores unless given. */
export async function openProduct(
  threads = 0,
): Promise<{ multiply: Multiply; close(): Promise<void> }> {
  const graph = onnxGraph('product')
  const a = graph.input('A', 'F32', ['m', 'd'])
  const b = graph.input('B', 'F32', ['n', 'd'])
  const product = graph.node('Gemm', [a, b], { attributes: { transB: 1 } })
  graph.output('product', product, 'F32', ['m', 'n'])
  const session = await InferenceSession.create(graph.finish(), {
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    extra: { session: { force_spinning_stop: '1' } }, // the scan between products needs the cores
  })
  return {
    async multiply(A, B, d) {
      const { product } = await session.run({
        A: new Tensor('float32', A, [A.length / d, d]),
        B: new Tensor('float32', B, [B.length / d, d]),
      })
      return product!.data as Float32Array
    },
    close: () => session.release(),
  }
}

/** The product by its definition: the slow twin. */
export const multiplyPlainly: Multiply = async (A, B, d) => {
  const m = A.length / d
  const n = B.length / d
  const out = new Float32Array(m * n)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let k = 0; k < d; k++) sum += A[i * d + k]! * B[j * d + k]!
      out[i * n + j] = sum
    }
  }
  return out
}

/** For each of m rows its k best columns, best first; index -1 and an infinite value where there are fewer columns. */
export type Extremes = {
  /** [m, k] */
  readonly index: Int32Array
  readonly value: Float32Array
}

/** Numbers of one block of the product. */
const BLOCK_NUMBERS = 2 ** 22
const BLOCK_ROWS = 1024

/**
 * The largest and the smallest entries of each row of A B^T; of equal entries the one of lower index. Memory: one block of
 * the product (16 MiB).
 * @param A [m, d]. @param B [n, d].
 * @param options.n_smallest 0 where they are not wanted.
 * @param options.skip_diagonal leave out entry (i, i), where A and B are the same rows.
 */
export async function extremeProducts(
  multiply: Multiply,
  A: Float32Array,
  B: Float32Array,
  options: {
    d: number
    n_largest: number
    n_smallest: number
    skip_diagonal?: boolean
    signal?: AbortSignal
  },
): Promise<{ largest: Extremes; smallest: Extremes }> {
  const { d, n_largest, n_smallest, skip_diagonal = false, signal } = options
  const m = A.length / d
  const n = B.length / d
  const block_rows = Math.min(m, BLOCK_ROWS)
  const block_columns = Math.max(1, Math.min(n, Math.floor(BLOCK_NUMBERS / block_rows)))
  const largest = noExtremes(m * n_largest, Number.NEGATIVE_INFINITY)
  const smallest = noExtremes(m * n_smallest, Number.POSITIVE_INFINITY)
  for (let row = 0; row < m; row += block_rows) {
    const rows = Math.min(block_rows, m - row)
    for (let column = 0; column < n; column += block_columns) {
      signal?.throwIfAborted()
      const columns = Math.min(block_columns, n - column)
      const block = await multiply(
        A.subarray(row * d, (row + rows) * d),
        B.subarray(column * d, (column + columns) * d),
        d,
      )
      for (let i = 0; i < rows; i++) {
        const entries = block.subarray(i * columns, (i + 1) * columns)
        const skip = skip_diagonal ? row + i - column : -1
        takeExtremes(entries, column, skip, largest, row + i, n_largest, 1)
        if (n_smallest > 0) takeExtremes(entries, column, skip, smallest, row + i, n_smallest, -1)
      }
    }
  }
  return { largest, smallest }
}

/** Enters one row's stretch of the product, from `column` on, into the row's k best; sign -1 looks for the smallest. */
function takeExtremes(
  entries: Float32Array,
  column: number,
  skip: number,
  best: Extremes,
  row: number,
  k: number,
  sign: 1 | -1,
): void {
  const last = (row + 1) * k - 1
  let bound = sign * best.value[last]!
  for (let j = 0; j < entries.length; j++) {
    if (sign * entries[j]! <= bound || j === skip) continue
    insert(best, row, k, column + j, entries[j]!, sign)
    bound = sign * best.value[last]!
  }
}

function noExtremes(length: number, value: number): Extremes {
  return { index: new Int32Array(length).fill(-1), value: new Float32Array(length).fill(value) }
}

/** Puts an entry into its place among a row's k best and drops the worst; sign -1 orders upwards. */
function insert(
  { index, value }: Extremes,
  row: number,
  k: number,
  column: number,
  entry: number,
  sign: 1 | -1,
): void {
  let at = (row + 1) * k - 1
  for (; at > row * k && sign * value[at - 1]! < sign * entry; at--) {
    value[at] = value[at - 1]!
    index[at] = index[at - 1]!
  }
  value[at] = entry
  index[at] = column
}
