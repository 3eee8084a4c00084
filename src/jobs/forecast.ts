/** How long a run will take, by what this machine does in a fraction of a second. An estimate, never a promise. */

import { availableParallelism } from 'node:os'
import type { TokenCorpus } from '../activations/index.ts'
import { type HookName, type Model, openRandom, padBatch } from '../model/index.ts'
import { openRunner } from '../sae/index.ts'
import type { RunFacts } from './memory.ts'

/** Milliseconds expected of each part. */
export type TimePlan = {
  readonly capture_ms: number
  readonly train_ms: number
  readonly evaluate_ms: number
  /** Less than the sum where capture and training overlap on several cores. */
  readonly total_ms: number
}

/** What this machine does in a second. */
export type Speed = {
  /** Tokens through the model up to the last site, with its threads; absent where no model is run. */
  readonly forward_tokens: number | undefined
  /** Floating-point operations of an encoder product in one thread. */
  readonly product_flops: number
}

/** A training step takes this many times its encoder products: what the step's own timings show. */
const STEP_COST = 1.6
/** A measurement is done when a piece of work takes this long. */
const MEASURED_MS = 60
const RUNNER = { d_in: 256, d_sae: 1024, rows: 512 }

/** Measures for about a quarter of a second; a large model takes as long as sixteen tokens through it. */
export async function measureSpeed(run?: {
  readonly model: Model
  readonly hooks: readonly HookName[]
  readonly corpus: TokenCorpus
}): Promise<Speed> {
  return {
    forward_tokens:
      run === undefined ? undefined : await forwardRate(run.model, run.hooks, run.corpus),
    product_flops: await productRate(),
  }
}

/** @param sizes.n_buckets buckets an epoch, of a stream. */
export function forecastTime(
  facts: RunFacts,
  speed: Speed,
  run: { readonly n_buckets: number; readonly norm_tokens: number; readonly eval_tokens: number },
): TimePlan {
  const { mode, text_tokens, n_tokens, threads, saes } = facts
  const epochs = n_tokens / text_tokens
  const forward_ms = (tokens: number): number =>
    speed.forward_tokens === undefined ? 0 : (1000 * tokens) / speed.forward_tokens
  const flops = saes.reduce((sum, { d_in, d_sae }) => sum + 2 * d_in * d_sae, 0) * n_tokens
  const cores = Math.min(threads, availableParallelism())
  const train_ms = (1000 * STEP_COST * flops) / (speed.product_flops * cores)
  const captured =
    mode === 'stream' && run.n_buckets > 1 ? text_tokens * epochs : Math.min(text_tokens, n_tokens)
  const norms = mode === 'stream' ? Math.min(text_tokens, run.norm_tokens) : 0
  const capture_ms = mode === 'store' ? 0 : forward_ms(captured + norms)
  // Each SAE's reconstruction goes through the rest of the model once.
  const evaluate_ms = mode === 'store' ? 0 : forward_ms(run.eval_tokens * (1 + saes.length))
  const first_ms = forward_ms(norms + text_tokens / run.n_buckets)
  const overlapped =
    Math.max(train_ms, capture_ms, first_ms) +
    (availableParallelism() >= 2 * threads ? first_ms : Math.min(train_ms, capture_ms))
  const together =
    mode === 'stream' ? Math.min(overlapped, train_ms + capture_ms) : train_ms + capture_ms
  return { capture_ms, train_ms, evaluate_ms, total_ms: together + evaluate_ms }
}

/** Tokens a second through the model: passes grow until one takes long enough to be measured. */
async function forwardRate(
  { config, forward }: Model,
  hooks: readonly HookName[],
  { ids, doc_start }: TokenCorpus,
): Promise<number> {
  const n_docs = doc_start.length - 1
  for (let docs = 1, most_tokens = 16; ; docs *= 2, most_tokens *= 4) {
    const texts = Array.from({ length: Math.min(docs, n_docs) }, (_, doc) =>
      ids.subarray(doc_start[doc], Math.min(doc_start[doc + 1]!, doc_start[doc]! + most_tokens)),
    )
    const started = performance.now()
    await forward(padBatch(texts, config.pad_token_id), { hooks })
    const took_ms = performance.now() - started
    if (took_ms > MEASURED_MS || (docs >= n_docs && most_tokens >= config.n_ctx))
      return (1000 * texts.reduce((n, { length }) => n + length, 0)) / took_ms
  }
}

async function productRate(): Promise<number> {
  const { d_in, d_sae, rows } = RUNNER
  const random = openRandom(0)
  const values = (n: number): Float32Array => Float32Array.from({ length: n }, () => random() - 0.5)
  const runner = await openRunner(
    {
      architecture: 'jumprelu',
      hook_name: 'hook_embed',
      d_in,
      d_sae,
      W_enc: values(d_in * d_sae),
      b_enc: new Float32Array(d_sae),
      W_dec: values(d_in * d_sae),
      b_dec: new Float32Array(d_in),
      threshold: new Float32Array(d_sae).fill(1e9),
      metadata: {},
    },
    { threads: 1 },
  )
  try {
    const x = values(rows * d_in)
    await runner.encode(x)
    const started = performance.now()
    let n_flops = 0
    do {
      await runner.encode(x)
      n_flops += 2 * rows * d_in * d_sae
    } while (performance.now() - started < MEASURED_MS)
    return (1000 * n_flops) / (performance.now() - started)
  } finally {
    await runner.close()
  }
}
