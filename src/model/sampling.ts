/** From one row of logits to one token. */

import { logSumExp } from './logits.ts'
import type { Random } from './random.ts'

export type SamplingOptions = {
  /** Logits are divided by it; 0 takes the most likely token (default 1). */
  readonly temperature?: number
  /** Keep only the k most likely tokens (default 0: all). */
  readonly top_k?: number
  /** Then keep the fewest most likely tokens whose probabilities sum to at least p, but at least one (default 1: all). */
  readonly top_p?: number
}

/** @throws RangeError if an option lies outside its range. */
export function checkSampling({ temperature = 1, top_k = 0, top_p = 1 }: SamplingOptions): void {
  if (!(temperature >= 0 && temperature < Infinity)) {
    throw new RangeError(`generate: temperature is ${temperature}, expected 0 or more.`)
  }
  if (!(Number.isInteger(top_k) && top_k >= 0)) {
    throw new RangeError(`generate: top_k is ${top_k}, expected a whole number, 0 for all tokens.`)
  }
  if (!(top_p >= 0 && top_p <= 1)) {
    throw new RangeError(`generate: top_p is ${top_p}, expected 0 to 1.`)
  }
}

/**
 * Draws one token: temperature, then top-k, then top-p, then one uniform number (none at temperature 0).
 * @param logits [d_vocab]
 * @returns its id, and its log-probability in nats under the model itself: temperature 1, nothing cut off.
 */
export function sampleToken(
  logits: Float32Array,
  { temperature = 1, top_k = 0, top_p = 1 }: SamplingOptions,
  random: Random,
): { id: number; logprob: number } {
  const id =
    temperature === 0
      ? argmax(logits)
      : top_k === 0 && top_p === 1
        ? draw(logits, allIds(logits.length), temperature, random)
        : draw(logits, keepLikely(logits, temperature, top_k, top_p), temperature, random)
  return { id, logprob: logits[id]! - logSumExp(logits, 0, logits.length) }
}

function argmax(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

let identity = new Int32Array(0)

/** 0, 1, ... n - 1, made once. */
function allIds(n: number): Int32Array {
  if (identity.length !== n) identity = Int32Array.from({ length: n }, (_, i) => i)
  return identity
}

/** The ids that top-k and top-p leave, most likely first; of equals the lower id first. */
function keepLikely(
  logits: Float32Array,
  temperature: number,
  top_k: number,
  top_p: number,
): Int32Array {
  const sorted = Int32Array.from(allIds(logits.length)).sort(
    (a, b) => logits[b]! - logits[a]! || a - b,
  )
  const likely = sorted.subarray(0, top_k === 0 ? sorted.length : top_k)
  if (top_p === 1) return likely
  const largest = logits[likely[0]!]!
  const weights = Float64Array.from(likely, (id) => Math.exp((logits[id]! - largest) / temperature))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let kept = 1
  for (let sum = weights[0]!; kept < likely.length && sum < top_p * total; kept++)
    sum += weights[kept]!
  return likely.subarray(0, kept)
}

/** Inverse of the cumulative distribution of `softmax(logits[ids] / temperature)` at one uniform number. */
function draw(logits: Float32Array, ids: Int32Array, temperature: number, random: Random): number {
  let largest = -Infinity
  for (const id of ids) if (logits[id]! > largest) largest = logits[id]!
  const weights = new Float64Array(ids.length)
  let total = 0
  for (let i = 0; i < ids.length; i++) {
    weights[i] = Math.exp((logits[ids[i]!]! - largest) / temperature)
    total += weights[i]!
  }
  let rest = random() * total
  for (let i = 0; i < ids.length; i++) {
    rest -= weights[i]!
    if (rest < 0) return ids[i]!
  }
  return ids[ids.length - 1]!
}
