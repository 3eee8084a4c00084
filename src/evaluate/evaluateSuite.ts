/**
 * All metrics of all SAEs of a suite on held-out text.
 *
 * 1. The first documents that hold `n_tokens` countable tokens are batched; specials are left out of every statistic.
 * 2. A batch runs once as it is: activations at all sites, and the model's own predictions.
 * 3. Each SAE encodes the site it reads and decodes to the site it writes: active latents and squared errors are summed.
 * 4. For each SAE the batch runs again with the reconstruction in the activation's place, at the exact site, special
 *    tokens left alone: `delta_ce_loss = CE(spliced) - CE(plain)` over the same targets, and the divergence of the predictions.
 *    What lies before the site is as in the plain pass, so the spliced pass begins at the residual stream before it.
 * 5. Batches that together hold about `zero_tokens`, evenly taken, run once more for each site with zeros in its place.
 * 6. Of `importance_tokens` evenly taken tokens the importance of every active latent is measured (`importance.ts`).
 */

import {
  type CapturePlan,
  countableRows,
  padDocuments,
  planCapture,
  specialIds,
  type TokenCorpus,
  takeRows,
} from '../activations/index.ts'
import type { HookName, Model } from '../model/index.ts'
import { checkFits, type Metrics, outputSite, type SaeRunner } from '../sae/index.ts'
import { addLosses, type LossSum, lossSum } from './ceLoss.ts'
import { importance } from './importance.ts'
import type { Bins } from './position.ts'
import { headOf, openReadout, type Readout } from './readout.ts'
import { spliceEdit, streamBefore } from './splice.ts'
import { addByPosition, addTokens, metricsOf, type SaeSums, saeSums } from './sums.ts'
import { targetsAmong } from './targets.ts'
import { uniformity } from './uniformity.ts'

export type EvaluateOptions = {
  /** Countable tokens to look at, from the front of the corpus; all where absent. */
  readonly n_tokens?: number
  /** Most tokens of a forward pass, padding included. */
  readonly batch_tokens?: number
  /**
   * Tokens, rounded up to whole batches, on which every site is also set to zero, for `ce_loss_recovered`: one pass more for
   * each site. 2,048 unless given; 0 leaves it out.
   */
  readonly zero_tokens?: number
  /**
   * Tokens on which the importance of active latents is measured, for `uniformity`: `2 l0` rows of one token for each of them
   * and SAE. They are taken from the first 64 positions of documents, as the text before them is held for every row. 16 unless
   * given; 0 leaves it out.
   */
  readonly importance_tokens?: number
  /** Threads of ONNX Runtime in the readout; all cores unless given. */
  readonly threads?: number
  readonly signal?: AbortSignal
  /** Called after every forward pass; tokens, counted once for each pass they go through. */
  readonly onProgress?: (progress: { n_done: number; n_total: number }) => void
}

/** Padded tokens of a forward pass unless asked otherwise: every site's activations are in memory at once. */
const BATCH_TOKENS = 2048
const ZERO_TOKENS = 2048
const IMPORTANCE_TOKENS = 16
/** Positions that those tokens are taken from. */
const IMPORTANCE_POSITIONS = 64

type Run = {
  readonly model: Model
  readonly corpus: TokenCorpus
  readonly plan: CapturePlan
  readonly special_ids: ReadonlySet<number>
  readonly readout: Readout
  readonly all: ReadonlyMap<SaeRunner, SaeSums>
  readonly plain: Bins<LossSum>
  readonly plain_sample: LossSum
  /** By site that an SAE writes. */
  readonly zero_samples: ReadonlyMap<HookName, LossSum>
  readonly abort: { readonly signal?: AbortSignal }
  readonly passed: (n_tokens: number) => void
}

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
  const { zero_tokens = ZERO_TOKENS, importance_tokens = IMPORTANCE_TOKENS } = options
  for (const { sae } of runners) checkFits(sae, model)
  const special_ids = specialIds(model)
  const limits = n_tokens === undefined ? { batch_tokens } : { batch_tokens, n_tokens }
  const plan = planCapture(corpus, special_ids, limits)
  const sites = new Set(runners.map(({ sae }) => outputSite(sae).hook))
  const sample = evenly(
    plan.batches,
    Math.ceil((plan.batches.length * zero_tokens) / plan.n_tokens),
  )
  const looked = evenly(followedTokens(corpus, plan, special_ids), importance_tokens)
  const n_sample = [...sample].reduce((n, batch) => n + batch.n_tokens, 0)
  const n_total =
    plan.n_tokens * (1 + runners.length) + n_sample * sites.size + looked.size * runners.length
  let n_done = 0
  const run: Run = {
    model,
    corpus,
    plan,
    special_ids,
    readout: await openReadout(await headOf(model), options.threads),
    all: new Map(runners.map((runner) => [runner, saeSums(runner)])),
    plain: [],
    plain_sample: lossSum(),
    zero_samples: new Map([...sites].map((site) => [site, lossSum()])),
    abort: signal === undefined ? {} : { signal },
    passed(n) {
      n_done += n
      onProgress?.({ n_done, n_total })
    },
  }
  try {
    for (const planned of plan.batches) {
      signal?.throwIfAborted()
      await readBatch(run, planned, sample.has(planned))
    }
    for (const token of looked) {
      signal?.throwIfAborted()
      await weighLatents(run, token)
    }
  } finally {
    await run.readout.close()
  }
  const common = {
    n_excluded: plan.n_excluded,
    model_hash: model.hash,
    corpus_hash: corpus.hash,
  }
  return new Map(
    [...run.all].map(([runner, sums]) => {
      const zero_sample = run.zero_samples.get(outputSite(runner.sae).hook)!
      return [runner, { ...common, ...metricsOf(sums, { ...run, zero_sample }) }]
    }),
  )
}

/** Steps 2 to 4 for one batch, and step 5 where it is of the sample. */
async function readBatch(
  run: Run,
  planned: CapturePlan['batches'][number],
  isSample: boolean,
): Promise<void> {
  const { model, corpus, plan, readout, abort } = run
  const batch = padDocuments(corpus, planned.docs, model.config.pad_token_id)
  const { at } = countableRows(corpus, planned, batch.seq_len, run.special_ids, plan.token_end)
  const positions = at.map((token) => token % batch.seq_len)
  const targets = targetsAmong(batch, at)
  const read = [...run.all.keys()].map(({ sae }) => sae.hook_name)
  const written = [...run.zero_samples.keys()]
  const streams = written.flatMap((site) => streamBefore(site) ?? [])
  const hooks = [...new Set([...read, ...written, ...streams, FINAL])]
  const { acts } = await model.forward(batch, { hooks, ...abort })
  const { losses, reference } = await readout.plain(
    takeRows(acts.get(FINAL)!, targets.from),
    targets.id,
  )
  addByPosition(run.plain, losses, targets.position)
  run.passed(planned.n_tokens)

  /** The final activations that targets are predicted from, with values [n, d] at the counted tokens of a site. */
  const finalWith = async (site: HookName, values: Float32Array): Promise<Float32Array> => {
    const edits = [spliceEdit(site, at, values)]
    const stream = streamBefore(site)
    const start = stream === undefined ? {} : { from: acts.get(stream)! }
    const spliced = await model.forward(batch, { hooks: [FINAL], edits, ...start, ...abort })
    run.passed(planned.n_tokens)
    return takeRows(spliced.acts.get(FINAL)!, targets.from)
  }

  for (const [runner, sums] of run.all) {
    const { hook } = outputSite(runner.sae)
    const x = takeRows(acts.get(runner.sae.hook_name)!, at)
    const y = hook === runner.sae.hook_name ? x : takeRows(acts.get(hook)!, at)
    const latents = await runner.encode(x)
    const recon = await runner.decode(latents, x)
    addTokens(sums, { acts: latents, y, recon, positions })
    const spliced = await readout.compare(await finalWith(hook, recon), targets.id, reference)
    addByPosition(sums.spliced, spliced.losses, targets.position)
    addLosses(sums.kl, spliced.kl)
    if (isSample) addLosses(sums.spliced_sample, spliced.losses)
  }
  if (!isSample) return
  addLosses(run.plain_sample, losses)
  for (const [site, zero_sample] of run.zero_samples) {
    const zeros = new Float32Array(at.length * model.width(site))
    addLosses(zero_sample, await readout.losses(await finalWith(site, zeros), targets.id))
  }
}

/** Step 6 for one token, by its index in the corpus. */
async function weighLatents(
  { model, corpus, all, abort, passed }: Run,
  token: number,
): Promise<void> {
  const doc_start = corpus.doc_start.findLast((start) => start <= token)!
  const ids = corpus.ids.subarray(doc_start, token + 2)
  const found = await importance(model, [...all.keys()], ids, abort.signal)
  for (const [runner, y] of found) {
    const r = uniformity(y)
    if (r !== undefined) all.get(runner)!.uniformity.push(r)
  }
  passed(found.size)
}

const FINAL: HookName = 'ln_final.hook_normalized'

/**
 * Indices in the corpus of counted tokens at positions 1 to 63 of their documents (BOS lies at 0) that a counted token follows.
 */
function followedTokens(
  { ids, doc_start }: TokenCorpus,
  { token_end }: CapturePlan,
  special_ids: ReadonlySet<number>,
): number[] {
  const counts = (token: number) => token < token_end && !special_ids.has(ids[token]!)
  const found: number[] = []
  for (let doc = 0; doc_start[doc]! < token_end; doc++) {
    const end = Math.min(doc_start[doc]! + IMPORTANCE_POSITIONS, doc_start[doc + 1]! - 1)
    for (let token = doc_start[doc]! + 1; token < end; token++) {
      if (counts(token) && counts(token + 1)) found.push(token)
    }
  }
  return found
}

/** `n` of a list's items, or all, from the middles of equal stretches. */
function evenly<Item>(items: readonly Item[], n: number): ReadonlySet<Item> {
  const n_taken = Math.min(n, items.length)
  return new Set(
    Array.from(
      { length: n_taken },
      (_, i) => items[Math.floor(((i + 0.5) * items.length) / n_taken)]!,
    ),
  )
}
