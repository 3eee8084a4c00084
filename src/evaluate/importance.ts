/**
 * Importance of a token's active latents: `y_i = f_i (W_dec_i . grad_x L)`, by differences, as there is no backward pass here.
 *
 * L is the logit of the token that follows, less the mean of all logits; x the model's own activation at the site that the
 * SAE writes; f_i the latent's activation. A token's own prediction depends on x through nothing but the token's own
 * column, so with the keys and values of the text before it in a cache, one row of one column is one exact evaluation of L:
 *
 * 1. The text before the token goes through once; its keys and values are repeated for every row.
 * 2. Each active latent takes two rows: x moved by +h and by -h along its direction, h = ||x|| / 64.
 * 3. `W_dec_i . grad_x L = (L(x + h W_dec_i) - L(x - h W_dec_i)) / 2h`, central differences: the error shrinks with h squared,
 *    and float32's rounding of L stays far below the difference.
 *
 * Cost: `2 l0` rows of one token through the whole model, for each token and SAE; rows of all SAEs share passes.
 * Source: arXiv:2408.05147, appendix C.3, eq. 12.
 */

import { type HookName, type Model, selectRows } from '../model/index.ts'
import { outputSite, type SaeRunner } from '../sae/index.ts'

/** Most rows of one pass: two for each of 32 latents, of any SAE and site. */
const MAX_ROWS = 64

/** The most memory that their keys and values may take. */
const CACHE_BYTES = 2 ** 28

/** The step along a direction, as a share of the activation's norm. */
const STEP = 1 / 64

/**
 * Importance of the active latents of one token, for several SAEs.
 * @param ids [n] the document's tokens up to and with the token that follows: `ids[n - 2]` is the token looked at. n >= 3.
 * @returns y of each SAE's active latents, in order of latent; empty where none is active.
 */
export async function importance(
  model: Model,
  runners: readonly SaeRunner[],
  ids: Int32Array,
  signal?: AbortSignal,
): Promise<Map<SaeRunner, Float64Array>> {
  const before = ids.subarray(0, ids.length - 2)
  const token = ids[ids.length - 2]!
  const target = ids[ids.length - 1]!
  const abort = signal === undefined ? {} : { signal }
  const first = model.openCache(1, before.length + 1)
  await model.forward(batchOf(before, 1), { cache: first, ...abort })
  const hooks = [...new Set(runners.flatMap(({ sae }) => [sae.hook_name, outputSite(sae).hook]))]
  const here = await model.forward(batchOf([token], 1), { cache: first, hooks, ...abort })
  first.length = before.length
  const row_bytes = first.layers.reduce((sum, { k, v }) => sum + k.byteLength + v.byteLength, 0)
  const n_rows = Math.max(2, Math.min(MAX_ROWS, 2 * Math.floor(CACHE_BYTES / row_bytes / 2)))
  const cache = selectRows(first, new Array<number>(n_rows).fill(0))
  first.close()

  const found = new Map<SaeRunner, Float64Array>()
  const moves: Move[] = []
  for (const runner of runners) {
    const { sae } = runner
    const { hook, d } = outputSite(sae)
    const acts = await runner.encode(here.acts.get(sae.hook_name)!.data)
    const x = here.acts.get(hook)!.data
    const h = STEP * (Math.hypot(...x) || 1)
    const y = new Float64Array(acts.index.length)
    found.set(runner, y)
    acts.index.forEach((latent, i) => {
      const direction = sae.W_dec.subarray(latent * d, (latent + 1) * d)
      moves.push({ hook, x, direction, h, found: (slope) => (y[i] = acts.value[i]! * slope) })
    })
  }
  for (let from = 0; from < moves.length; from += n_rows / 2) {
    const some = moves.slice(from, from + n_rows / 2)
    const { logits } = await model.forward(batchOf([token], n_rows), {
      cache,
      edits: [...Map.groupBy(some.entries(), ([, { hook }]) => hook)].map(([hook, own]) => ({
        hook,
        apply: ({ data, d }) => {
          for (const [i, { x, direction, h }] of own) {
            for (let k = 0; k < d; k++) {
              data[2 * i * d + k] = x[k]! + h * direction[k]!
              data[(2 * i + 1) * d + k] = x[k]! - h * direction[k]!
            }
          }
        },
      })),
      logits: true,
      ...abort,
    })
    cache.length = before.length
    const { d_vocab } = model.config
    const L = (row: number): number =>
      centred(logits!.subarray(row * d_vocab, (row + 1) * d_vocab), target)
    some.forEach(({ h, found }, i) => {
      found((L(2 * i) - L(2 * i + 1)) / (2 * h))
    })
  }
  cache.close()
  return found
}

/** One direction at one site along which the token's activation is moved, and what to do with L's slope along it. */
type Move = {
  readonly hook: HookName
  /** [d] */
  readonly x: Float32Array
  /** [d] */
  readonly direction: Float32Array
  readonly h: number
  readonly found: (slope: number) => void
}

/** A logit less the mean of all [d_vocab]. */
function centred(logits: Float32Array, id: number): number {
  return logits[id]! - logits.reduce((sum, logit) => sum + logit, 0) / logits.length
}

/** The same tokens in every row. */
function batchOf(ids: ArrayLike<number>, n_seqs: number) {
  const seq_len = ids.length
  return {
    ids: Int32Array.from({ length: n_seqs * seq_len }, (_, at) => ids[at % seq_len]!),
    lengths: new Int32Array(n_seqs).fill(seq_len),
    n_seqs,
    seq_len,
  }
}
