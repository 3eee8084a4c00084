/** What two runs predict next: divergence of the whole distribution, and the most probable tokens of either. */

import { type HookName, type Model, padBatch } from '../model/index.ts'
import type { Guess } from './types.ts'

/** Logits at a time, of each run: 16 MiB. */
const CHUNK_LOGITS = 2 ** 22
const N_GUESSES = 5

/** The residual stream that logits are made from. */
export const lastStream = ({ config }: Model): HookName =>
  `blocks.${config.n_layers - 1}.hook_resid_post`

/** A run's last residual stream [n_tokens, d_model]. */
export type Stream = { readonly model: Model; readonly data: Float32Array }

/**
 * KL(A || B) in nats of the predictions behind pairs of tokens.
 * @param pairs tokens of A and of B. @returns [n_pairs]
 */
export async function divergences(
  a: Stream,
  b: Stream,
  pairs: readonly { readonly a: number; readonly b: number }[],
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { n_ctx, d_vocab } = a.model.config
  const step = Math.max(1, Math.min(n_ctx, Math.floor(CHUNK_LOGITS / d_vocab)))
  const kl = new Float64Array(pairs.length)
  for (let from = 0; from < pairs.length; from += step) {
    const chunk = pairs.slice(from, from + step)
    const logits_a = await logitsBehind(
      a,
      chunk.map((pair) => pair.a),
      signal,
    )
    const logits_b = await logitsBehind(
      b,
      chunk.map((pair) => pair.b),
      signal,
    )
    for (let i = 0; i < chunk.length; i++) {
      const row = [i * d_vocab, (i + 1) * d_vocab] as const
      kl[from + i] = divergence(logits_a.subarray(...row), logits_b.subarray(...row))
    }
  }
  return kl
}

/** Both divergences behind one token of each run, and the most probable tokens of either, most probable first. */
export async function guessesBehind(
  a: Stream,
  b: Stream,
  pair: { readonly a: number; readonly b: number },
  signal?: AbortSignal,
): Promise<{ kl_ab: number; kl_ba: number; guesses: Guess[] }> {
  const logits_a = await logitsBehind(a, [pair.a], signal)
  const logits_b = await logitsBehind(b, [pair.b], signal)
  const [log_a, log_b] = [logSumExp(logits_a), logSumExp(logits_b)]
  const ids = new Set([...foremost(logits_a), ...foremost(logits_b)])
  const guesses = Array.from(ids, (id) => ({
    id,
    p_a: Math.exp(logits_a[id]! - log_a),
    p_b: Math.exp(logits_b[id]! - log_b),
  })).sort((x, y) => Math.max(y.p_a, y.p_b) - Math.max(x.p_a, x.p_b) || x.id - y.id)
  return { kl_ab: divergence(logits_a, logits_b), kl_ba: divergence(logits_b, logits_a), guesses }
}

/** Logits [n, d_vocab] behind some tokens of a run: the head reads every row by itself. */
async function logitsBehind(
  { model, data }: Stream,
  tokens: readonly number[],
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { d_model, pad_token_id } = model.config
  const batch = padBatch([new Int32Array(tokens.length).fill(pad_token_id)])
  const rows = new Float32Array(tokens.length * d_model)
  for (const [i, token] of tokens.entries())
    rows.set(data.subarray(token * d_model, (token + 1) * d_model), i * d_model)
  const from = { ...batch, hook: lastStream(model), data: rows, d: d_model, start: 0 }
  const pass = await model.forward(batch, { from, logits: true, ...(signal ? { signal } : {}) })
  return pass.logits!
}

/** `sum_v P(v) (ln P(v) - ln Q(v))` from logits, summed in f64; rounding may not take it below 0. */
function divergence(p: Float32Array, q: Float32Array): number {
  const [log_p, log_q] = [logSumExp(p), logSumExp(q)]
  let kl = 0
  for (let v = 0; v < p.length; v++) {
    const own = p[v]! - log_p
    kl += Math.exp(own) * (own - (q[v]! - log_q))
  }
  return Math.max(0, kl)
}

function logSumExp(logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY
  for (const logit of logits) if (logit > largest) largest = logit
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  return largest + Math.log(sum)
}

/** Ids of the largest logits. */
function foremost(logits: Float32Array): number[] {
  const top: number[] = []
  for (let id = 0; id < logits.length; id++) {
    if (top.length === N_GUESSES && logits[id]! <= logits[top.at(-1)!]!) continue
    const place = top.findIndex((other) => logits[other]! < logits[id]!)
    top.splice(place < 0 ? top.length : place, 0, id)
    top.length = Math.min(top.length, N_GUESSES)
  }
  return top
}
