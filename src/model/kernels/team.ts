/**
 * The team: the calling thread and `threads - 1` others, which hold the same matrices in shared memory and take part in every call.
 * Calls block until they are done, allocate hardly anything, and give the same bytes for any number of threads.
 */

import { Banks, type Extent } from './banks.ts'
import { startThread, type TeamThread, type ThreadInput } from './disk.ts'
import { attendPart, type MatrixAddress, productPart, rowsPart, type WeightDtype } from './jobs.ts'
import { compileKernels, type Kernels, openKernels } from './load.ts'
import { controlBuffer, MAX_PARTS, Tickets } from './tickets.ts'

/** Rows of x that a product takes at most. */
export const MAX_ROWS = 8

/** Rows of W that a product takes together at least. */
const BAND = 16
/** Bytes of weights in one ticket of a product: some twenty microseconds of work. */
const TICKET_BYTES = 262_144
/** Bytes of floats through which rows go when they are packed or widened. */
const PIECE_BYTES = 2 ** 22
const ROWS_PER_TICKET = 8
/** Bytes of a block of 32 rounded inputs. */
const INPUT_BYTES = 112

export const ACTIVATIONS = ['gelu_tanh', 'gelu', 'silu', 'relu'] as const
export type Activation = (typeof ACTIVATIONS)[number]

export type OpenTeamOptions = {
  /** Threads, the calling one included (at least 1). */
  readonly threads: number
  /** What can be allocated at least. Memory is taken only as it is used; addresses are reserved at once. */
  readonly memory_bytes: number
}

/** W [d_out, d_in] in the team's memory; what it holds is set by `pack`. */
export type PackedMatrix = MatrixAddress & {
  readonly d_out: number
  readonly d_in: number
  /** Its bytes, and from `y` on room for `MAX_ROWS` rows of its product. */
  readonly extent: Extent
  readonly y: number
}

/** Floats in the team's memory, for keys and values. */
export type Region = { readonly data: Float32Array; readonly extent: Extent }

/** A product among several of one x: y [m, d_out] = x W^T, then `softcap tanh(y / softcap)` where that is given and not 0. */
export type Product = {
  readonly weight: PackedMatrix
  readonly y: Float32Array
  readonly softcap?: number
}

export type AttendInput = {
  /** [m, n_heads, d_head], positions applied. */
  readonly q: Float32Array
  /** Holds the keys from float `k_at` on and the values from `v_at`, each [n_kv_heads, n_ctx, d_head], the new tokens' included. */
  readonly cache: Region
  readonly k_at: number
  readonly v_at: number
  /** [m, n_heads, d_head], written. */
  readonly z: Float32Array
  /** New tokens. */
  readonly m: number
  /** Tokens in the cache, the new ones included. */
  readonly length: number
  readonly n_heads: number
  readonly n_kv_heads: number
  /** A multiple of 4. */
  readonly d_head: number
  readonly n_ctx: number
  /** Multiplies the scores. */
  readonly scale: number
  /** Scores become `softcap tanh(score / softcap)`; 0 leaves them. */
  readonly softcap: number
  /** A token sees so many, itself included; -1 all. */
  readonly window: number
}

/** Starts the threads. @throws Error if one does not start, or the kernels are not compiled. */
export async function openTeam({ threads, memory_bytes }: OpenTeamOptions): Promise<Team> {
  if (!Number.isInteger(threads) || threads < 1)
    throw new RangeError(`model: openTeam with ${threads} threads, expected a whole number from 1.`)
  const module = compileKernels()
  const banks = new Banks(memory_bytes)
  const input: ThreadInput = { module, memories: banks.memories, control: controlBuffer() }
  const tickets = new Tickets(input.control)
  const started = await Promise.allSettled(
    Array.from({ length: threads - 1 }, () => startThread(input)),
  )
  const failed = started.find((thread) => thread.status === 'rejected')
  const others = started.flatMap((thread) => (thread.status === 'fulfilled' ? [thread.value] : []))
  const team = new Team(module, banks, tickets, others)
  if (failed) {
    await team.close()
    throw new Error('model: a thread for the kernels did not start', { cause: failed.reason })
  }
  return team
}

export class Team {
  readonly threads: number
  readonly #banks: Banks
  readonly #kernels: readonly Kernels[]
  readonly #tickets: Tickets
  readonly #others: readonly TeamThread[]
  /** Per bank, made when first needed: inputs of products, rows on their way, and what attention works with. */
  readonly #inputs: (Extent | undefined)[] = []
  readonly #pieces: (Extent | undefined)[] = []
  readonly #work: (Extent | undefined)[] = []

  /** @param others running threads; see `openTeam`. */
  constructor(
    module: WebAssembly.Module,
    banks: Banks,
    tickets: Tickets,
    others: readonly TeamThread[],
  ) {
    this.threads = others.length + 1
    this.#banks = banks
    this.#kernels = banks.memories.map((memory) => openKernels(module, memory))
    this.#tickets = tickets
    this.#others = others
  }

  /** A matrix without content. @throws RangeError if there is no room. */
  openMatrix(dtype: WeightDtype, d_out: number, d_in: number): PackedMatrix {
    const rows = padTo(d_out, BAND)
    const d = padTo(d_in, 32)
    const y = padTo(matrixBytes(dtype, rows, d), 64)
    const extent = this.#banks.allocate(y + MAX_ROWS * rows * 4)
    const { bank, address } = extent
    return { dtype, bank, address, rows, d, d_out, d_in, extent, y: address + y }
  }

  closeMatrix({ extent }: PackedMatrix): void {
    this.#banks.release(extent)
  }

  /** `n` floats, zero unless they were in use before. @throws RangeError if there is no room. */
  openRegion(n: number): Region {
    const extent = this.#banks.allocate(n * 4)
    return { data: this.#banks.floats(extent.bank, extent.address, n), extent }
  }

  closeRegion({ extent }: Region): void {
    this.#banks.release(extent)
  }

  /**
   * Writes rows of a matrix, rounded to its format.
   * @param rows [n, d_in], finite. @throws RangeError if they are not rows of the matrix.
   */
  pack(weight: PackedMatrix, first: number, rows: Float32Array): void {
    const { d_in, d, bank } = weight
    this.#eachPiece('pack', weight, first, rows.length / d_in, (piece, from, n) => {
      copyRows(rows, from * d_in, d_in, this.#banks.floats(bank, piece, n * d), 0, d, n)
    })
  }

  /**
   * Rows of a matrix as floats.
   * @param out [n, d_in], written. @throws RangeError if they are not rows of the matrix.
   */
  widen(weight: PackedMatrix, first: number, n: number, out: Float32Array): void {
    const { d_in, d, bank } = weight
    this.#eachPiece('widen', weight, first, n, (piece, from, n) => {
      copyRows(this.#banks.floats(bank, piece, n * d), 0, d, out, from * d_in, d_in, n)
    })
  }

  /** y [m, d_out] = x W^T. @param x [m, d_in], 1 <= m <= MAX_ROWS. */
  product(weight: PackedMatrix, x: Float32Array, m: number, y: Float32Array): void {
    this.products(x, m, [{ weight, y }])
  }

  /**
   * Several products of one x in one go. For q8 and q4 x is rounded to 8 bits, in blocks of 32 columns with a scale each; sums of
   * integers are exact.
   * @param x [m, d_in]; @param products each y [m, d_out], written.
   * @throws RangeError if sizes do not fit.
   */
  products(x: Float32Array, m: number, products: readonly Product[]): void {
    const d_in = products[0]?.weight.d_in ?? 0
    if (!(m >= 1 && m <= MAX_ROWS) || products.length < 1 || products.length > MAX_PARTS) {
      throw new RangeError(
        `model: ${products.length} products of ${m} rows, expected 1 to ${MAX_PARTS} of 1 to ${MAX_ROWS}; ` +
          'for more rows widen the matrices.',
      )
    }
    for (const { weight, y } of products) {
      if (weight.d_in !== d_in || x.length < m * d_in || y.length < m * weight.d_out) {
        throw new RangeError(
          `model: product of x with ${x.length} numbers and W [${weight.d_out}, ${weight.d_in}] into ${y.length}, ` +
            `expected ${m} x ${d_in} and ${m} x ${weight.d_out}.`,
        )
      }
    }
    const inputs = new Map<string, number>()
    const parts = products.map(({ weight }) => {
      const form = inputForm(weight.dtype)
      const key = `${weight.bank} ${form}`
      const at = inputs.get(key) ?? this.#prepare(weight, form, x, m)
      inputs.set(key, at)
      const band_bytes = matrixBytes(weight.dtype, BAND, weight.d)
      const bands = Math.max(1, Math.round(TICKET_BYTES / band_bytes))
      return productPart(weight, at, m, weight.y, bands)
    })
    this.#tickets.run(parts, this.#kernels)
    for (const { weight, y, softcap = 0 } of products) {
      const { bank, rows, d_out } = weight
      if (softcap > 0) this.#kernels[bank]!.softcap(weight.y, m * rows, softcap)
      copyRows(this.#banks.floats(bank, weight.y, m * rows), 0, rows, y, 0, d_out, m)
    }
  }

  /** Attention of new tokens of one sequence. @throws RangeError if sizes do not fit. */
  attend(input: AttendInput): void {
    const { q, z, cache, k_at, v_at, m, length, n_heads, n_kv_heads, d_head, n_ctx } = input
    const n = m * n_heads * d_head
    const cached = n_kv_heads * n_ctx * d_head
    if (d_head % 4 !== 0 || n_heads % n_kv_heads !== 0 || m > length || length > n_ctx) {
      throw new RangeError(
        `model: attention of ${m} of ${length} tokens, ${n_heads} heads on ${n_kv_heads} of ${d_head}, room for ${n_ctx}; ` +
          'expected m <= length <= n_ctx, a whole number of heads for each key head, and d_head a multiple of 4.',
      )
    }
    if (q.length < n || z.length < n || cache.data.length < Math.max(k_at, v_at) + cached) {
      throw new RangeError(
        `model: attention of q with ${q.length} numbers into ${z.length} over ${cache.data.length} in the cache, ` +
          `expected ${n}, ${n} and ${cached} from ${k_at} and from ${v_at} on.`,
      )
    }
    const { bank, address } = cache.extent
    const work = this.#room(this.#work, bank, (2 * n + m * n_heads * padTo(length, 4)) * 4)
    const z_at = work + n * 4
    this.#banks.floats(bank, work, n).set(q.subarray(0, n))
    this.#tickets.run(
      [
        attendPart({
          ...{ ...input, bank, q: work, k: address + k_at * 4, v: address + v_at * 4 },
          ...{ z: z_at, scores: z_at + n * 4 },
        }),
      ],
      this.#kernels,
    )
    z.set(this.#banks.floats(bank, z_at, n))
  }

  /** x = act(x), or act(x) up where it is given: the hidden layer of an MLP, in place, by the calling thread. */
  activate(act: Activation, x: Float32Array, up?: Float32Array): void {
    const n = padTo(x.length, 4)
    const at = this.#room(this.#work, 0, 2 * n * 4)
    const floats = this.#banks.floats(0, at, 2 * n)
    floats.set(x)
    if (up) floats.set(up, n)
    this.#kernels[0]!.activate(ACTIVATIONS.indexOf(act), at, up ? at + n * 4 : 0, n)
    x.set(floats.subarray(0, x.length))
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    this.#tickets.close()
    await Promise.all(this.#others.map((thread) => thread.exited()))
  }

  /** Packs or widens rows piece by piece; `copy` fills a piece before its rows are packed, or reads it after they are widened. */
  #eachPiece(
    kind: 'pack' | 'widen',
    weight: PackedMatrix,
    first: number,
    n: number,
    copy: (piece: number, from: number, n: number) => void,
  ): void {
    if (!Number.isInteger(n) || first < 0 || first + n > weight.d_out) {
      throw new RangeError(
        `model: ${kind} rows ${first} to ${first + n} of W [${weight.d_out}, ${weight.d_in}].`,
      )
    }
    const most = Math.max(1, Math.floor(PIECE_BYTES / (weight.d * 4)))
    const piece = this.#room(this.#pieces, weight.bank, Math.max(PIECE_BYTES, weight.d * 4))
    for (let from = 0; from < n; from += most) {
      const count = Math.min(most, n - from)
      const part = rowsPart(kind, weight, first + from, count, piece, ROWS_PER_TICKET)
      if (kind === 'pack') copy(piece, from, count)
      this.#tickets.run([part], this.#kernels)
      if (kind === 'widen') copy(piece, from, count)
    }
  }

  /** Lays x where a bank's products find it, in the form that they read; returns its address. */
  #prepare({ bank, d_in, d }: PackedMatrix, form: InputForm, x: Float32Array, m: number): number {
    const floats = MAX_ROWS * d * 4
    const at = this.#room(this.#inputs, bank, floats * 2 + MAX_ROWS * (d / 32) * INPUT_BYTES)
    copyRows(x, 0, d_in, this.#banks.floats(bank, at, m * d), 0, d, m)
    const kernels = this.#kernels[bank]!
    switch (form) {
      case 'floats':
        return at
      case 'scaled':
        kernels.scaleInput(at, at + floats, m * d)
        return at + floats
      case 'rounded':
        kernels.quantiseInput(at, at + floats * 2, m * (d / 32))
        return at + floats * 2
      default:
        return form satisfies never
    }
  }

  /** Address of a bank's room of some kind, at least that large; what was in it is lost when it grows. */
  #room(rooms: (Extent | undefined)[], bank: number, bytes: number): number {
    const room = rooms[bank]
    if (room && room.bytes >= bytes) return room.address
    if (room) this.#banks.release(room)
    rooms[bank] = undefined
    const larger = this.#banks.allocateWork(bank, bytes)
    rooms[bank] = larger
    return larger.address
  }
}

/** How a product reads x: as it is, times 2^64 (f16), or rounded to 8 bits. */
type InputForm = 'floats' | 'scaled' | 'rounded'

function inputForm(dtype: WeightDtype): InputForm {
  if (dtype === 'q8' || dtype === 'q4') return 'rounded'
  return dtype === 'f16' ? 'scaled' : 'floats'
}

/** Bytes of a packed matrix; rows a multiple of 16 and d of 32. */
function matrixBytes(dtype: WeightDtype, rows: number, d: number): number {
  const n = rows * d
  switch (dtype) {
    case 'q8':
      return n + n / 16
    case 'q4':
      return n / 2 + n / 16
    case 'bf16':
      return n * 2
    case 'f16':
      return n * 2 + rows * 4
    case 'f32':
      return n * 4
    default:
      return dtype satisfies never
  }
}

/** Copies rows between arrays of unequal row length, filling longer ones with zeros. */
function copyRows(
  from: Float32Array,
  from_at: number,
  from_row: number,
  to: Float32Array,
  to_at: number,
  to_row: number,
  n: number,
): void {
  if (from_row === to_row) {
    to.set(from.subarray(from_at, from_at + n * from_row), to_at)
    return
  }
  const width = Math.min(from_row, to_row)
  for (let i = 0; i < n; i++) {
    const row = from_at + i * from_row
    to.set(from.subarray(row, row + width), to_at + i * to_row)
    to.fill(0, to_at + i * to_row + width, to_at + (i + 1) * to_row)
  }
}

const padTo = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple
