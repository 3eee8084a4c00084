/** The arithmetic around the head: normalisation before the gain, and losses from logits. */

import type { ModelConfig } from './types.ts'

/**
 * A norm before its gain and bias, per row of x [m, d_model], sums in float64: RMSNorm `x / sqrt(mean(x^2) + eps)`, or
 * LayerNorm, the same of `x - mean(x)`.
 */
export function normalize(
  x: Float32Array,
  { d_model, norm, norm_eps }: Pick<ModelConfig, 'd_model' | 'norm' | 'norm_eps'>,
): Float32Array {
  const out = new Float32Array(x.length)
  for (let row = 0; row < x.length; row += d_model) {
    let mean = 0
    if (norm === 'layer') {
      for (let j = row; j < row + d_model; j++) mean += x[j]!
      mean /= d_model
    }
    let squares = 0
    for (let j = row; j < row + d_model; j++) squares += (x[j]! - mean) ** 2
    const scale = 1 / Math.sqrt(squares / d_model + norm_eps)
    for (let j = row; j < row + d_model; j++) out[j] = (x[j]! - mean) * scale
  }
  return out
}

/** `log sum exp` of `logits[from .. to]`, shifted by the largest so that nothing overflows; sum in float64. */
export function logSumExp(logits: Float32Array, from: number, to: number): number {
  let largest = -Infinity
  for (let j = from; j < to; j++) if (logits[j]! > largest) largest = logits[j]!
  let sum = 0
  for (let j = from; j < to; j++) sum += Math.exp(logits[j]! - largest)
  return largest + Math.log(sum)
}

/** Cross-entropy in nats of the target of each row: `logsumexp(logits) - logits[target]`. logits [m, d_vocab], targets [m], out [m]. */
export function crossEntropy(logits: Float32Array, targets: Int32Array, out: Float32Array): void {
  const d_vocab = logits.length / targets.length
  targets.forEach((target, row) => {
    const from = row * d_vocab
    out[row] = logSumExp(logits, from, from + d_vocab) - logits[from + target]!
  })
}
