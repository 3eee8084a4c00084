/**
 * What every latent of every SAE does, in one pass over the text.
 *
 * 1. The model runs once; at each site the runners encode to sparse activations, which `accumulate.ts` takes in.
 * 2. Decoder directions give logit effects and neighbours (`logits.ts`, `neighbours.ts`).
 * 3. Everything is laid into flat columns.
 */

import { capture, planCapture, specialIds, type TokenCorpus } from '../activations/index.ts'
import type { Model } from '../model/index.ts'
import { checkFits, type SaeRunner } from '../sae/index.ts'
import {
  type Accumulator,
  EXAMPLE_DEFAULTS,
  type ExampleOptions,
  makeAccumulator,
} from './accumulate.ts'
import { collectExamples, countTopTokens } from './examples.ts'
import { logitEffects, whyNoLogits } from './logits.ts'
import { findNeighbours } from './neighbours.ts'
import { openProduct } from './product.ts'
import type { LatentColumns, LatentIndex } from './types.ts'

/** What `indexLatents` tells while it works. */
export type IndexProgress = {
  readonly stage: 'reading' | 'comparing'
  /** Tokens counted so far (reading), SAEs whose directions are done (comparing). */
  readonly done: number
  readonly of: number
}

/**
 * Indexes the latents of all SAEs over the same tokens.
 *
 * Memory is bounded whatever the number of tokens: `indexBytes(d_sae)` for each SAE, and one batch of activations.
 * @param options.n_tokens countable tokens, from the front of the corpus; all where absent.
 * @param options.batch_tokens most tokens of a forward pass, padding included.
 * @param options.threads of the products of directions; all cores where absent.
 * @throws TypeError or RangeError if an SAE does not fit the model, or as `planCapture`.
 */
export async function indexLatents(
  model: Model,
  runners: readonly SaeRunner[],
  corpus: TokenCorpus,
  options: Partial<ExampleOptions> & {
    n_tokens?: number
    batch_tokens?: number
    threads?: number
    signal?: AbortSignal
    onProgress?: (progress: IndexProgress) => void
  } = {},
): Promise<Map<SaeRunner, LatentIndex>> {
  const { n_tokens, batch_tokens, threads, signal, onProgress, ...examples } = options
  for (const { sae } of runners) checkFits(sae, model)
  const limits = {
    ...(n_tokens === undefined ? {} : { n_tokens }),
    ...(batch_tokens === undefined ? {} : { batch_tokens }),
  }
  const stop = signal === undefined ? {} : { signal }
  const plan = planCapture(corpus, specialIds(model), limits)
  const found = runners.map(({ sae }) =>
    makeAccumulator(sae.d_sae, corpus, plan.token_end, { ...EXAMPLE_DEFAULTS, ...examples }),
  )
  const hooks = [...new Set(runners.map(({ sae }) => sae.hook_name))]
  let done = 0
  onProgress?.({ stage: 'reading', done, of: plan.n_tokens })
  for await (const batch of capture(model, corpus, { hooks, ...limits, ...stop })) {
    for (const [i, runner] of runners.entries()) {
      const acts = await runner.encode(batch.acts.get(runner.sae.hook_name)!)
      found[i]!.add(acts, batch.token_index)
    }
    done += batch.n_tokens
    onProgress?.({ stage: 'reading', done, of: plan.n_tokens })
  }

  const saes = runners.map(({ sae }) => sae)
  const product = await openProduct(threads)
  try {
    const neighbours = await findNeighbours(saes, product.multiply, signal)
    const indexed = new Map<SaeRunner, LatentIndex>()
    for (const [i, runner] of runners.entries()) {
      onProgress?.({ stage: 'comparing', done: i, of: runners.length })
      const { sae } = runner
      const shown = collectExamples(found[i]!, corpus, plan.token_end)
      const columns: LatentColumns = {
        ...statistics(found[i]!),
        ...shown,
        ...countTopTokens(shown),
        ...(await logitEffects(model, sae, product.multiply, signal)),
        ...neighbours[i]!,
      }
      const why = whyNoLogits(sae, model.config.d_model)
      const { context, n_intervals, seed } = found[i]!.options
      const info = {
        hook: sae.hook_name,
        d_sae: sae.d_sae,
        n_tokens: plan.n_tokens,
        n_excluded: plan.n_excluded,
        model: model.name,
        model_hash: model.hash,
        corpus_hash: corpus.hash,
        context,
        n_intervals,
        seed,
        ...(why === undefined ? {} : { logits_absent: why }),
        sites: saes.map(({ hook_name }) => hook_name),
      }
      indexed.set(runner, { info, columns })
    }
    onProgress?.({ stage: 'comparing', done: runners.length, of: runners.length })
    return indexed
  } finally {
    await product.close()
  }
}

function statistics({
  n_active,
  sum,
  max,
  histogram,
  positions,
}: Accumulator): Pick<
  LatentColumns,
  'n_active' | 'max_act' | 'mean_act' | 'histogram' | 'position' | 'position_tokens'
> {
  return {
    n_active: Int32Array.from(n_active),
    max_act: max,
    mean_act: Float32Array.from(sum, (total, i) => (total === 0 ? 0 : total / n_active[i]!)),
    histogram,
    position: positions.active,
    position_tokens: positions.tokens,
  }
}
