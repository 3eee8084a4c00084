/** The parts of a job as integers in shared memory, and the kernel that each runs. */

import type { Kernels } from './load.ts'

/** How weights are kept: symmetric 8 or 4 bits in blocks of 32 columns, 16-bit floats, or floats. */
export const WEIGHT_DTYPES = ['q8', 'q4', 'bf16', 'f16', 'f32'] as const
export type WeightDtype = (typeof WEIGHT_DTYPES)[number]

/** Integers of a part of a job: its tickets, its words, and in the last two places its floats. */
export const PART_WORDS = 20

/** One kernel on some addresses, cut into tickets. */
export type Part = {
  readonly tickets: number
  /** Kind and format, bank, then what the kernel needs. */
  readonly words: readonly number[]
  readonly floats?: readonly [number, number]
}

/** What a part does; the kinds `pack`, `product` and `widen` are one a format. */
const KINDS = ['pack', 'product', 'widen', 'attend'] as const
type Kind = (typeof KINDS)[number]

const kindNumber = (kind: Kind, dtype: WeightDtype): number =>
  KINDS.indexOf(kind) * 8 + WEIGHT_DTYPES.indexOf(dtype)

/** Where a packed matrix lies. */
export type MatrixAddress = {
  readonly dtype: WeightDtype
  readonly bank: number
  readonly address: number
  /** Rows, padded to a multiple of 16. */
  readonly rows: number
  /** Columns, padded to a multiple of 32. */
  readonly d: number
}

/** Rows `first .. first + n` between a matrix and floats [n, d] at `piece`. */
export function rowsPart(
  kind: 'pack' | 'widen',
  { dtype, bank, address, rows, d }: MatrixAddress,
  first: number,
  n: number,
  piece: number,
  rows_per_ticket: number,
): Part {
  return {
    tickets: Math.ceil(n / rows_per_ticket),
    words: [kindNumber(kind, dtype), bank, rows_per_ticket, address, first, n, piece, d, rows],
  }
}

/** y [m, rows] = x W^T. */
export function productPart(
  { dtype, bank, address, rows, d }: MatrixAddress,
  x: number,
  m: number,
  y: number,
  bands_per_ticket: number,
): Part {
  const bands = rows / 16
  return {
    tickets: Math.ceil(bands / bands_per_ticket),
    words: [
      ...[kindNumber('product', dtype), bank, bands_per_ticket],
      ...[address, bands, x, m, d, y, rows],
    ],
  }
}

export type AttendAddress = {
  readonly bank: number
  readonly q: number
  readonly k: number
  readonly v: number
  readonly z: number
  readonly scores: number
  readonly m: number
  readonly n_heads: number
  readonly n_kv_heads: number
  readonly d_head: number
  readonly n_ctx: number
  readonly length: number
  readonly window: number
  readonly scale: number
  readonly softcap: number
}

/** A ticket for every token and key head. */
export function attendPart(a: AttendAddress): Part {
  return {
    tickets: a.m * a.n_kv_heads,
    words: [
      ...[kindNumber('attend', 'q8'), a.bank, a.m, a.q, a.k, a.v, a.z, a.scores],
      ...[a.n_heads, a.n_kv_heads, a.d_head, a.n_ctx, a.length, a.window],
    ],
    floats: [a.scale, a.softcap],
  }
}

/** Runs ticket `i` of the job whose parts begin at `at`. */
export function runTicket(
  kernels: readonly Kernels[],
  words: Int32Array,
  floats: Float32Array,
  at: number,
  i: number,
): void {
  while (i >= words[at]!) {
    i -= words[at]!
    at += PART_WORDS
  }
  const kind = KINDS[words[at + 1]! >> 3]!
  const dtype = WEIGHT_DTYPES[words[at + 1]! & 7]!
  const bank = kernels[words[at + 2]!]!
  const word = (n: number): number => words[at + n]!
  switch (kind) {
    case 'pack':
    case 'widen': {
      const first = i * word(3)
      const n = Math.min(word(3), word(6) - first)
      const piece = word(7) + first * word(8) * 4
      bank[`${kind}_${dtype}`](word(4), word(5) + first, piece, n, word(8), word(9))
      break
    }
    case 'product': {
      const first = i * word(3)
      const n = Math.min(word(3), word(5) - first)
      bank[`product_${dtype}`](word(4), first, n, word(6), word(7), word(8), word(9), word(10))
      break
    }
    case 'attend': {
      const [m, n_heads, n_kv_heads, d_head] = [word(3), word(9), word(10), word(11)]
      const [n_ctx, length, window] = [word(12), word(13), word(14)]
      const token = Math.floor(i / n_kv_heads)
      const head = i % n_kv_heads
      const group = n_heads / n_kv_heads
      const end = length - m + token + 1
      const first = window < 0 ? 0 : Math.max(0, end - window)
      const queries = (token * n_heads + head * group) * d_head * 4
      const keys = (head * n_ctx + first) * d_head * 4
      const scores = word(8) + i * group * padTo4(length) * 4
      bank.attend(
        ...[word(4) + queries, word(5) + keys, word(6) + keys, word(7) + queries, scores],
        ...[group, end - first, d_head, floats[at + PART_WORDS - 2]!, floats[at + PART_WORDS - 1]!],
      )
      break
    }
    default:
      kind satisfies never
  }
}

const padTo4 = (n: number): number => Math.ceil(n / 4) * 4
