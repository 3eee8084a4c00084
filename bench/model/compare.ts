/** Numbers of two runs beside each other. */
import { readFile } from 'node:fs/promises'
import { openFile } from '../../src/files/read.ts'

/** A small file of raw float32. */
export async function readFloats(path: string): Promise<Float32Array> {
  const bytes = await readFile(path)
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

/** The largest difference, beside the root mean square of `a`. */
export function differenceOf(a: Float32Array, b: Float32Array): { relative: number } {
  if (a.length !== b.length)
    throw new RangeError(`differenceOf: ${a.length} and ${b.length} numbers, expected as many`)
  let largest = 0
  let squares = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!)
    // So that NaN counts.
    if (!(difference <= largest)) largest = difference
    squares += a[i]! ** 2
  }
  return { relative: largest / Math.sqrt(squares / a.length) }
}

/** The largest of `differenceOf` over arrays that lie one after the other in two files, each of the length given. */
export async function differenceOfFiles(
  pathA: string,
  pathB: string,
  lengths: readonly number[],
): Promise<number> {
  const [a, b] = await Promise.all([openFile(pathA), openFile(pathB)])
  try {
    let worst = 0
    let at = 0
    for (const length of lengths) {
      const [x, y] = await Promise.all([a.read(at, 4 * length), b.read(at, 4 * length)])
      const { relative } = differenceOf(new Float32Array(x.buffer), new Float32Array(y.buffer))
      if (!(relative <= worst)) worst = relative
      at += 4 * length
    }
    return worst
  } finally {
    await Promise.all([a.close(), b.close()])
  }
}

/**
 * Mean KL divergence of the next-token distributions in nats, and the share of rows whose likeliest token is the same.
 * @param p, q logits [n, d_vocab].
 */
export function divergence(
  p: Float32Array,
  q: Float32Array,
  d_vocab: number,
): { kl_nats: number; top1: number } {
  const n = p.length / d_vocab
  let kl_nats = 0
  let same = 0
  for (let row = 0; row < n; row++) {
    const a = p.subarray(row * d_vocab, (row + 1) * d_vocab)
    const b = q.subarray(row * d_vocab, (row + 1) * d_vocab)
    const [x, y] = [summary(a), summary(b)]
    let kl = 0
    for (let i = 0; i < d_vocab; i++) {
      const log_p = a[i]! - x.log_sum
      kl += Math.exp(log_p) * (log_p - (b[i]! - y.log_sum))
    }
    kl_nats += kl / n
    if (x.top === y.top) same++
  }
  return { kl_nats, top1: same / n }
}

function summary(logits: Float32Array): { top: number; log_sum: number } {
  let top = 0
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[top]!) top = i
  let sum = 0
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - logits[top]!)
  return { top, log_sum: logits[top]! + Math.log(sum) }
}
