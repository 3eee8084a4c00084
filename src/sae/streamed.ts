/**
 * An SAE that stays on disk: the encoder is read in blocks of latents, the decoder only where latents are active.
 *
 * For dictionaries wider than memory (a million latents of 2,304 numbers are 19 GB). W_enc [d_in, d_sae] lies row by row, so a block of
 * latents is one piece of every row. JumpReLU only: whether a latent is on does not depend on the others.
 */

import { InferenceSession, Tensor } from '#onnxruntime'
import type { TensorPlace } from '../formats/index.ts'
import { type ByteSource, DTYPE_BYTES, FormatError, toFloat32 } from '../formats/index.ts'
import { selectJumprelu } from './jumprelu.ts'
import { affineGraph } from './runner.ts'
import { outputSite } from './shapes.ts'
import type { Sae, SparseActs } from './types.ts'

/** A JumpReLU SAE, or a transcoder without a skip, but for its two matrices, which lie in a file as they are to be used. */
export type SaeOnDisk = Omit<Sae, 'architecture' | 'W_enc' | 'W_dec' | 'k'> & {
  readonly source: ByteSource
  /** [d_in, d_sae] */
  readonly W_enc: TensorPlace
  /** [d_sae, d_out] */
  readonly W_dec: TensorPlace
}

/** As `SaeRunner`, without the whole SAE in memory. */
export interface StreamedSae {
  readonly sae: SaeOnDisk
  /** acts of x [n, d_in]. The whole encoder is read once, however large n is. */
  encode(x: Float32Array): Promise<SparseActs>
  /** recon [n, d_out] = acts W_dec + b_dec; rows of W_dec are read for active latents only. */
  decode(acts: SparseActs): Promise<Float32Array>
  close(): Promise<void>
}

export type StreamOptions = {
  /** For weights and pre-activations together; 256 MiB unless given. More makes the pieces that are read longer. */
  readonly memory_bytes?: number
  readonly threads?: number
}

const MEMORY_BYTES = 2 ** 28
/** Of the memory: the block at work, and as much again for the one being read; the rest is for what is made of them. */
const BLOCK_SHARE = 0.45
/** Reads under way at a time. */
const N_READS = 64

/**
 * Opens the fast path of an SAE on disk. Numbers in the matrices are not checked to be finite.
 * @throws FormatError if a matrix does not lie in the file as it is (packed, or in another order).
 */
export async function openStreamed(
  sae: SaeOnDisk,
  { memory_bytes = MEMORY_BYTES, threads = 0 }: StreamOptions = {},
): Promise<StreamedSae> {
  const { d_in, d_sae, b_enc, b_dec, threshold } = sae
  const { d: d_out } = outputSite(sae)
  const encoder = openRows(sae, 'W_enc')
  const decoder = openRows(sae, 'W_dec')
  const room = memory_bytes / 4
  const block = Math.max(1, Math.min(d_sae, Math.floor((BLOCK_SHARE * room) / d_in)))
  const group = Math.max(1, Math.floor((BLOCK_SHARE * room) / d_out))
  const session = await InferenceSession.create(affineGraph(), {
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    extra: { session: { force_spinning_stop: '1' } },
  })

  /** Columns `first` to `first + count` of W_enc, [d_in, count]. */
  const readBlock = async (first: number, count: number): Promise<Float32Array> => {
    const W = new Float32Array(d_in * count)
    await inTurn(d_in, async (row) => {
      W.set(await encoder(row * d_sae + first, count), row * count)
    })
    return W
  }

  return {
    sae,
    async encode(x) {
      const n = x.length / d_in
      if (!Number.isInteger(n)) {
        throw new RangeError(
          `encode: x has ${x.length} numbers, expected a multiple of d_in ${d_in} (SAE at ${sae.hook_name}). Was this SAE trained on another model?`,
        )
      }
      const found: Found[] = []
      const rows_at_once = Math.max(1, Math.floor(((1 - 2 * BLOCK_SHARE) * room) / block))
      let next = readBlock(0, Math.min(block, d_sae))
      for (let first = 0; first < d_sae; first += block) {
        const count = Math.min(block, d_sae - first)
        const W = await next
        const after = first + count
        if (after < d_sae) next = readBlock(after, Math.min(block, d_sae - after))
        const weights = {
          W: new Tensor('float32', W, [d_in, count]),
          b: new Tensor('float32', b_enc.subarray(after - count, after), [count]),
        }
        const theta = threshold.subarray(first, after)
        for (let row = 0; row < n; row += rows_at_once) {
          const rows = Math.min(rows_at_once, n - row)
          const pre_acts = new Float32Array(rows * count)
          await session.run(
            {
              x: new Tensor('float32', x.subarray(row * d_in, (row + rows) * d_in), [rows, d_in]),
              ...weights,
            },
            { y: new Tensor('float32', pre_acts, [rows, count]) },
          )
          found.push(select(pre_acts, theta, row, rows, first))
        }
      }
      return joinFound(found, n, d_sae)
    },
    async decode(acts) {
      const recon = new Float32Array(acts.n * d_out)
      for (let row = 0; row < acts.n; row++) recon.set(b_dec, row * d_out)
      const order = byLatent(acts)
      const latents = [...new Set(order.entries.map((entry) => acts.index[entry]!))]
      let at = 0
      for (let start = 0; start < latents.length; start += group) {
        const some = latents.slice(start, start + group)
        const rows = new Array<Float32Array>(some.length)
        await inTurn(some.length, async (i) => {
          rows[i] = await decoder(some[i]! * d_out, d_out)
        })
        some.forEach((latent, i) => {
          for (; at < order.entries.length && acts.index[order.entries[at]!] === latent; at++) {
            const entry = order.entries[at]!
            const out = order.rows[entry]! * d_out
            const [value, row] = [acts.value[entry]!, rows[i]!]
            for (let j = 0; j < d_out; j++) recon[out + j]! += value * row[j]!
          }
        })
      }
      return recon
    },
    close: () => session.release(),
  }
}

/** Reads `count` numbers from element `first` on, row-major. */
function openRows(
  { source, ...sae }: SaeOnDisk,
  name: 'W_enc' | 'W_dec',
): (first: number, count: number) => Promise<Float32Array> {
  const { offset, dtype } = sae[name]
  if (offset === undefined) {
    throw new FormatError(
      source.name,
      `${name} is packed or lies column by column, so it cannot be read in pieces. Save it uncompressed in C order (numpy.savez), or load the SAE whole.`,
    )
  }
  const width = DTYPE_BYTES[dtype]
  return async (first, count) => {
    const bytes = await source.read(offset + first * width, count * width)
    return toFloat32({ dtype, shape: [count], bytes })
  }
}

/** Runs n tasks, some at a time. */
async function inTurn(n: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < n) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(N_READS, n) }, worker))
}

/** Active latents of some rows within one block. */
type Found = {
  readonly row: number
  /** [rows + 1] */
  readonly starts: Int32Array
  readonly index: Int32Array
  readonly value: Float32Array
}

function select(
  pre_acts: Float32Array,
  theta: Float32Array,
  row: number,
  rows: number,
  first: number,
): Found {
  const count = theta.length
  let n_active = 0
  for (let i = 0; i < pre_acts.length; i++) if (pre_acts[i]! > theta[i % count]!) n_active++
  const index = new Int32Array(n_active)
  const value = new Float32Array(n_active)
  const starts = new Int32Array(rows + 1)
  for (let i = 0; i < rows; i++) {
    const one = pre_acts.subarray(i * count, (i + 1) * count)
    starts[i + 1] = selectJumprelu(one, theta, index, value, starts[i]!)
  }
  for (let e = 0; e < n_active; e++) index[e]! += first
  return { row, starts, index, value }
}

/** Rows in order, within a row latents in order: blocks come in order of latents. */
function joinFound(found: readonly Found[], n: number, d_sae: number): SparseActs {
  const row_start = new Int32Array(n + 1)
  for (const { row, starts } of found) {
    for (let i = 0; i + 1 < starts.length; i++)
      row_start[row + i + 1]! += starts[i + 1]! - starts[i]!
  }
  for (let row = 0; row < n; row++) row_start[row + 1]! += row_start[row]!
  const at = row_start.slice(0, n)
  const index = new Int32Array(row_start[n]!)
  const value = new Float32Array(index.length)
  for (const { row, starts, ...part } of found) {
    for (let i = 0; i + 1 < starts.length; i++) {
      const [from, to] = [starts[i]!, starts[i + 1]!]
      index.set(part.index.subarray(from, to), at[row + i]!)
      value.set(part.value.subarray(from, to), at[row + i]!)
      at[row + i]! += to - from
    }
  }
  return { n, d_sae, row_start, index, value }
}

/** Entries sorted by latent, and each entry's row. */
function byLatent({ n, row_start, index }: SparseActs): {
  readonly entries: Int32Array
  readonly rows: Int32Array
} {
  const rows = new Int32Array(index.length)
  for (let row = 0; row < n; row++) rows.fill(row, row_start[row]!, row_start[row + 1]!)
  const entries = Int32Array.from(index.keys()).sort((a, b) => index[a]! - index[b]! || a - b)
  return { entries, rows }
}
