/**
 * Rotary position embedding: the angles by which a head's channel pairs turn a position, and how models trained on short
 * texts stretch them for long ones.
 *
 * Source: RoFormer (arXiv:2104.09864); linear scaling (arXiv:2306.15595); Llama 3's, by wavelength (arXiv:2407.21783 and its
 * published config.json).
 */

import type { RopeTable } from './types.ts'

/** How frequencies are stretched. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly low_freq_factor: number
      readonly high_freq_factor: number
      readonly original_n_ctx: number
    }

/** The table of one kind of layer: `theta^(-2j / rotary_dim)`, stretched. */
export function ropeTable(
  rotary_dim: number,
  theta: number,
  scaling: RopeScaling = { type: 'default' },
): RopeTable {
  const plain = Array.from({ length: rotary_dim / 2 }, (_, j) => theta ** ((-2 * j) / rotary_dim))
  return { inv_freq: plain.map((freq) => stretch(freq, scaling)), scale: 1 }
}

/** One frequency, radians a position. */
function stretch(freq: number, scaling: RopeScaling): number {
  switch (scaling.type) {
    case 'default':
      return freq
    case 'linear':
      return freq / scaling.factor
    case 'llama3': {
      // Turns within the original context: many keep their frequency, few are stretched, those between are blended.
      const turns = (scaling.original_n_ctx * freq) / (2 * Math.PI)
      const { factor, low_freq_factor: low, high_freq_factor: high } = scaling
      const share = Math.min(1, Math.max(0, (turns - low) / (high - low)))
      return share * freq + ((1 - share) * freq) / factor
    }
    default:
      throw new TypeError(`Unknown RoPE scaling ${JSON.stringify(scaling satisfies never)}.`)
  }
}
