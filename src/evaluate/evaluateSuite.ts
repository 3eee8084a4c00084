/**
 * All metrics of all SAEs of a suite on held-out text.
 *
 * 1. The first documents that hold `n_tokens` countable tokens are batched; specials are left out of every statistic.
 * 2. A batch runs once as it is: activations at all sites, and the model's own loss.
 * 3. Each SAE encodes and decodes its site's rows: active latents and squared errors are summed.
 * 4. For each SAE the batch runs again with the reconstruction in the activation's place, at the exact site, special
 *    tokens left alone: `delta_ce_loss = CE(spliced) - CE(plain)` over the same targets. What lies before the site is as in
 *    the plain pass, so the spliced pass begins at the residual stream before it.
 */

import {
  countableRows,
  padDocuments,
  planCapture,
  specialIds,
  type TokenCorpus,
  takeRows,
} from '../activations/index.ts'
import type { HookName, Model } from '../model/index.ts'
import { checkFits, type Metrics, type SaeRunner } from '../sae/index.ts'
import { addLosses, type LossSum, meanLoss } from './ceLoss.ts'
import { dead } from './dead.ts'
import { countActive, densityHistogram } from './density.ts'
import { addToFvu, type FvuSums, fvu, fvuSums } from './fvu.ts'
import { l0 } from './l0.ts'
import { spliceEdit } from './splice.ts'

export type EvaluateOptions = {
  /** Countable tokens to look at, from the front of the corpus; all where absent. */
  readonly n_tokens?: number
  /** Most tokens of a forward pass, padding included. */
  readonly batch_tokens?: number
  readonly signal?: AbortSignal
  /** Called after every forward pass; tokens, counted once for each pass they go through. */
  readonly onProgress?: (progress: { n_done: number; n_total: number }) => void
}

/** Padded tokens of a forward pass unless asked otherwise: every site's activations are in memory at once. */
const BATCH_TOKENS = 2048

type Sums = { readonly n_active: Uint32Array; readonly fvu: FvuSums; readonly spliced: LossSum }

/**
 * Evaluates SAEs on the first tokens of a corpus.
 * @returns metrics of each runner; a number that could not be computed is absent, with its reason in `absent`.
 * @throws TypeError or RangeError if an SAE does not fit the model (`checkFits`), RangeError if no token counts.
 */
export async function evaluateSuite(
  model: Model,
  runners: readonly SaeRunner[],
  corpus: TokenCorpus,
  options: EvaluateOptions = {},
): Promise<Map<SaeRunner, Metrics>> {
  const { n_tokens, batch_tokens = BATCH_TOKENS, signal, onProgress } = options
  for (const { sae } of runners) checkFits(sae, model)
  const special_ids = specialIds(model)
  const limits = n_tokens === undefined ? { batch_tokens } : { batch_tokens, n_tokens }
  const plan = planCapture(corpus, special_ids, limits)
  const sites = runners.map(({ sae }) => sae.hook_name)
  const hooks = [...new Set([...sites, ...sites.flatMap((site) => streamBefore(site) ?? [])])]
  const plain: LossSum = { sum: 0, n_targets: 0 }
  const all = new Map(runners.map((runner) => [runner, emptySums(runner)]))

  let n_done = 0
  const n_total = plan.n_tokens * (1 + runners.length)
  const passed = (n: number) => {
    n_done += n
    onProgress?.({ n_done, n_total })
  }
  const abort = signal === undefined ? {} : { signal }

  for (const planned of plan.batches) {
    signal?.throwIfAborted()
    const batch = padDocuments(corpus, planned.docs, model.config.pad_token_id)
    const { at } = countableRows(corpus, planned, batch.seq_len, special_ids, plan.token_end)
    const result = await model.forward(batch, { hooks, loss: true, ...abort })
    addLosses(plain, result.next_token_loss!, at, batch.seq_len)
    passed(planned.n_tokens)
    for (const [runner, sums] of all) {
      const { hook_name } = runner.sae
      const x = takeRows(result.acts.get(hook_name)!, at)
      const acts = await runner.encode(x)
      const recon = await runner.decode(acts)
      countActive(acts, sums.n_active)
      addToFvu(sums.fvu, x, recon)
      const edits = [spliceEdit(hook_name, at, recon)]
      const stream = streamBefore(hook_name)
      const start = stream === undefined ? {} : { from: result.acts.get(stream)! }
      const spliced = await model.forward(batch, { edits, loss: true, ...start, ...abort })
      addLosses(sums.spliced, spliced.next_token_loss!, at, batch.seq_len)
      passed(planned.n_tokens)
    }
  }

  const common = {
    n_tokens: plan.n_tokens,
    n_excluded: plan.n_excluded,
    model_hash: model.hash,
    corpus_hash: corpus.hash,
  }
  return new Map([...all].map(([runner, sums]) => [runner, metricsOf(sums, plain, common)]))
}

/** The last residual stream at or before a site that a pass can begin at, `undefined` outside of blocks. */
function streamBefore(site: HookName): HookName | undefined {
  const [, layer] = /^blocks\.(\d+)\./.exec(site) ?? []
  if (layer === undefined) return undefined
  if (site.endsWith('.hook_resid_post')) return site
  return `blocks.${Number(layer)}.hook_resid_pre`
}

function emptySums({ sae }: SaeRunner): Sums {
  return {
    n_active: new Uint32Array(sae.d_sae),
    fvu: fvuSums(sae.d_in),
    spliced: { sum: 0, n_targets: 0 },
  }
}

function metricsOf(
  sums: Sums,
  plain: LossSum,
  common: Pick<Metrics, 'n_tokens' | 'n_excluded' | 'model_hash' | 'corpus_hash'>,
): Metrics {
  const { n_tokens } = common
  const unexplained = fvu(sums.fvu)
  const ce_loss = meanLoss(plain)
  const spliced = meanLoss(sums.spliced)
  const absent: Record<string, string> = {}
  if (unexplained === undefined)
    absent.fvu = `the activations are the same on all ${n_tokens} tokens`
  if (ce_loss === undefined) {
    absent.ce_loss = 'no counted token has a token before it to be predicted from'
    absent.delta_ce_loss = absent.ce_loss
  }
  return {
    ...common,
    l0: l0(sums.n_active, n_tokens),
    ...(unexplained === undefined ? {} : { fvu: unexplained }),
    ...(ce_loss === undefined || spliced === undefined
      ? {}
      : { ce_loss, delta_ce_loss: spliced - ce_loss }),
    dead: dead(sums.n_active),
    dead_window_tokens: n_tokens,
    density_histogram: densityHistogram(sums.n_active, n_tokens),
    absent,
  }
}
