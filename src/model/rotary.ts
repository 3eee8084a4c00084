/** Tables of rotary position embedding: cosines and sines of positions, made as far as they are needed. */

import type { RopeConfig } from './types.ts'

export type RotaryTable = {
  readonly n_positions: number
  /** [n_positions, rotary_dim / 2] */
  readonly cos: Float32Array
  readonly sin: Float32Array
}

/**
 * `cos` and `sin` of `position * inv_freq[j]`, times the table's scale.
 * @returns the table of a layer for at least `n_positions` positions; made anew, twice as long, when it is too short.
 */
export function openRotary(
  rope: RopeConfig,
  n_ctx: number,
): (layer: number, n_positions: number) => RotaryTable {
  const made: RotaryTable[] = []
  return (layer, n_positions) => {
    const kind = rope.of_layer[layer]!
    const known = made[kind]
    if (known !== undefined && known.n_positions >= n_positions) return known
    const length = Math.min(n_ctx, Math.max(n_positions, 2 * (known?.n_positions ?? 256)))
    const table = rotaryTable(rope, kind, length)
    made[kind] = table
    return table
  }
}

function rotaryTable(rope: RopeConfig, kind: number, n_positions: number): RotaryTable {
  const { inv_freq, scale } = rope.tables[kind]!
  const half = inv_freq.length
  const cos = new Float32Array(n_positions * half)
  const sin = new Float32Array(n_positions * half)
  for (let position = 0; position < n_positions; position++) {
    for (let j = 0; j < half; j++) {
      const angle = position * inv_freq[j]!
      cos[position * half + j] = Math.cos(angle) * scale
      sin[position * half + j] = Math.sin(angle) * scale
    }
  }
  return { n_positions, cos, sin }
}
