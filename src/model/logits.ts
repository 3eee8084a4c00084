/** The arithmetic around the head: final normalisation before the gain, and losses from logits. */

/** `x / sqrt(mean(x^2) + eps)` per row of x [m, d]: RMSNorm before its gain, sums in float64. */
export function rmsNormalize(x: Float32Array, d: number, eps: number): Float32Array {
  const out = new Float32Array(x.length)
  for (let row = 0; row < x.length; row += d) {
    let sum = 0
    for (let j = row; j < row + d; j++) sum += x[j]! * x[j]!
    const scale = 1 / Math.sqrt(sum / d + eps)
    for (let j = row; j < row + d; j++) out[j] = x[j]! * scale
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
