/** Readable twins of assembly/select.ts. */
import type { PlainShard } from './shard.ts'

/** The k-th largest of some numbers, 0 where there are fewer. */
const kthLargest = (values: readonly number[], k: number): number =>
  [...values].sort((a, b) => b - a)[k - 1] ?? 0

/**
 * Appends to the compressed rows, for each of m tokens, the entries that reach the k-th largest of this shard's pre_acts
 * (ties kept) and are above 0.
 * @returns entries now, or -1 if another full row might not fit.
 */
export function scanTop(
  s: PlainShard,
  pre: Float32Array,
  options: { first: number; m: number; nnz: number; k: number },
): number {
  const { first, m, k } = options
  let { nnz } = options
  for (let n = 0; n < m; n++) {
    s.row_start[first + n] = nnz
    if (nnz + s.width > s.capacity) return -1
    const row = pre.subarray(n * s.width, (n + 1) * s.width)
    const least = kthLargest([...row], k)
    for (const [i, z] of row.entries()) {
      if (z <= 0 || z < least) continue
      s.index[nnz] = i
      s.value[nnz++] = z
    }
  }
  s.row_start[first + m] = nnz
  return nnz
}

/** Appends to the auxiliary rows, for each of m tokens, its k largest dead latents above 0 (ties kept). */
export function scanDead(
  s: PlainShard,
  pre: Float32Array,
  options: { first: number; m: number; nnz: number; k: number },
): number {
  const { first, m, k } = options
  let { nnz } = options
  const dead = [...s.dead.subarray(0, s.n_listed)]
  for (let n = 0; n < m; n++) {
    s.aux_row_start[first + n] = nnz
    const least = kthLargest(
      dead.map((i) => pre[n * s.width + i]!),
      k,
    )
    for (const i of dead) {
      const z = pre[n * s.width + i]!
      if (z <= 0 || z < least) continue
      s.aux_index[nnz] = i
      s.aux_value[nnz++] = z
    }
  }
  s.aux_row_start[first + m] = nnz
  return nnz
}

/** Keeps the entries that reach their token's `least` [n]. */
export function filter(s: PlainShard, least: Float32Array): void {
  const before = s.row_start.slice()
  let at = 0
  for (let n = 0; n < s.n; n++) {
    const [from, end] = [before[n]!, before[n + 1]!]
    s.row_start[n] = at
    for (let e = from; e < end; e++) {
      if (s.value[e]! < least[n]!) continue
      s.value[at] = s.value[e]!
      s.index[at++] = s.index[e]!
    }
  }
  s.row_start[s.n] = at
}

/** Gated: the gate's pre_acts move to `gate`, and `value` becomes `relu((gate - b_enc) e^r_mag + b_mag)`. */
export function magnitudes(s: PlainShard): void {
  for (let e = 0; e < s.row_start[s.n]!; e++) {
    const i = s.index[e]!
    s.gate[e] = s.value[e]!
    s.value[e] = Math.max(0, (s.gate[e]! - s.b_enc[i]!) * s.e_mag[i]! + s.b_mag[i]!)
  }
}
