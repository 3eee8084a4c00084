/**
 * Rotary position embedding: the angles by which a head's channel pairs turn a position, and how models trained on short
 * texts stretch them for long ones.
 *
 * Source: RoFormer (arXiv:2104.09864); linear scaling (arXiv:2306.15595); YaRN (arXiv:2309.00071); Llama 3's, by wavelength
 * (arXiv:2407.21783).
 */

import type { RopeTable } from './types.ts'

/** How frequencies are stretched. */
export type RopeScaling =
  | { readonly type: 'default' }
  /** Every frequency by the same factor. */
  | { readonly type: 'linear'; readonly factor: number }
  /** Frequencies that turn less than `low` times in the original context by the factor, more than `high` times not at all. */
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly low: number
      readonly high: number
      readonly original_n_ctx: number
    }
  /** As llama3, but blended by the channel's index instead of the frequency, and scores are scaled too. */
  | {
      readonly type: 'yarn'
      readonly factor: number
      readonly low: number
      readonly high: number
      readonly original_n_ctx: number
    }

/**
 * The table of one kind of layer: `theta^(-2j / rotary_dim)`, stretched.
 * @param rotary_dim channels of a head that turn; even.
 */
export function ropeTable(
  rotary_dim: number,
  theta: number,
  scaling: RopeScaling = { type: 'default' },
): RopeTable {
  const freqs = Array.from({ length: rotary_dim / 2 }, (_, j) => theta ** ((-2 * j) / rotary_dim))
  /** `share[j]` of a frequency stays, the rest is divided by the factor. */
  const blend = (factor: number, share: (freq: number, j: number) => number): number[] =>
    freqs.map((freq, j) => freq * share(freq, j) + (freq / factor) * (1 - share(freq, j)))

  switch (scaling.type) {
    case 'default':
      return { inv_freq: freqs, scale: 1 }
    case 'linear':
      return { inv_freq: blend(scaling.factor, () => 0), scale: 1 }
    case 'llama3': {
      const { factor, low, high, original_n_ctx } = scaling
      const turns = (freq: number): number => (original_n_ctx * freq) / (2 * Math.PI)
      const share = (freq: number): number => clamp((turns(freq) - low) / (high - low))
      return { inv_freq: blend(factor, share), scale: 1 }
    }
    case 'yarn': {
      const { factor, low, high, original_n_ctx } = scaling
      /** Index of the channel that turns so often in the original context. */
      const channel = (turns: number): number =>
        (rotary_dim * Math.log(original_n_ctx / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
      const first = Math.max(0, Math.floor(channel(high)))
      const last = Math.min(rotary_dim - 1, Math.ceil(channel(low)))
      const width = Math.max(last - first, 0.001)
      const share = (_: number, j: number): number => 1 - clamp((j - first) / width)
      return { inv_freq: blend(factor, share), scale: 0.1 * Math.log(factor) + 1 }
    }
    default:
      throw new TypeError(`Unknown RoPE scaling ${JSON.stringify(scaling satisfies never)}.`)
  }
}

const clamp = (x: number): number => Math.min(1, Math.max(0, x))
