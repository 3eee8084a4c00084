/**
 * Two models with one suite: what a fine-tuned model does with the latents of the model that it was made from.
 *
 * 1. The models must read the same tokens and have the suite's sites in the same widths.
 * 2. The first documents that hold `n_tokens` countable tokens are batched; special tokens are left out of all statistics.
 * 3. SAEs are opened a few at a time, as many as memory is for. For each such group every batch goes through both models: at
 *    each site the likeness of the activations, L0, FVU and the sums of every latent (`latentSums.ts`); with the first group
 *    also the residual stream of every block, losses, and the divergence of the predictions.
 * 4. On the first `splice_tokens` each model is evaluated with each SAE's reconstruction in place (`evaluateSuite`), so that
 *    what the dictionary costs can be compared with what it costs the model that it was trained on.
 * 5. When all tokens are in: tests, over the latents of all sites together.
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
import {
  addLosses,
  addToFvu,
  evaluateSuite,
  type FvuSums,
  fvu,
  fvuSums,
  lossSum,
  meanLoss,
  targetsAmong,
} from '../evaluate/index.ts'
import { type HookActs, type HookName, hookNames, type Model } from '../model/index.ts'
import { checkFits, outputSite, type SaeRunner } from '../sae/index.ts'
import { requireSameTokens } from './agree.ts'
import { openHeads, type TwoHeads } from './heads.ts'
import { addTokens, type LatentSums, latentSums, shiftsOf } from './latentSums.ts'
import { addLikeness, type LikenessSums, likenessOf, likenessSums } from './likeness.ts'
import type {
  CompareSite,
  ModelComparison,
  ModelSide,
  OpenSite,
  SiteFit,
  SiteShift,
} from './types.ts'
import { ROUNDING } from './units.ts'

export type ModelCompareOptions = {
  /** Countable tokens to look at, from the front of the corpus; all where absent. */
  readonly n_tokens?: number
  /** Tokens on which reconstructions are put in place, two passes for each site; 1,024 unless given, 0 leaves it out. */
  readonly splice_tokens?: number
  /** Most tokens of a pass, padding included. */
  readonly batch_tokens?: number
  /** The q below which a latent counts as different; 0.05 unless given. */
  readonly level?: number
  /** Latents listed of a site. */
  readonly n_latents?: number
  /** Threads of the head's products; all cores unless given. */
  readonly threads?: number
  readonly signal?: AbortSignal
}

/** How far a comparison is, 0 to 1 and in words; at the end what it found. */
export type ModelCompareEvent =
  | { readonly type: 'progress'; readonly share: number; readonly message: string }
  | { readonly type: 'done'; readonly comparison: ModelComparison }

const SPLICE_TOKENS = 1024
const BATCH_TOKENS = 1024
const LEVEL = 0.05
const N_LATENTS = 100
/** Weights of SAEs that are open together. */
const GROUP_BYTES = 2 ** 29

type Opened = CompareSite & { readonly site: OpenSite; readonly sums: SiteSums }

type SiteSums = {
  readonly latents: LatentSums
  readonly likeness: LikenessSums
  fvu_base?: FvuSums
  fvu_tuned?: FvuSums
}

/** What is left of a site when its SAE is closed. */
type Measured = Pick<Opened, 'id' | 'hook' | 'sums'> &
  Pick<OpenSite, 'measured'> & { readonly base: SiteFit; readonly tuned: SiteFit }

/**
 * Compares two models on a corpus, tokenized for either. Between two events no pass is under way.
 * @throws RangeError if the models differ in tokenizer, vocabulary or d_model, or no token counts; as `checkFits` for an SAE
 *   that does not fit one of them.
 */
export async function* compareModels(
  base: Model,
  tuned: Model,
  sites: readonly CompareSite[],
  corpus: TokenCorpus,
  options: ModelCompareOptions = {},
): AsyncGenerator<ModelCompareEvent, void, undefined> {
  requireSameTokens(base, tuned)
  const { n_tokens, batch_tokens = BATCH_TOKENS, level = LEVEL, n_latents = N_LATENTS } = options
  const { splice_tokens = SPLICE_TOKENS, threads, signal } = options
  const limits = n_tokens === undefined ? { batch_tokens } : { batch_tokens, n_tokens }
  const plan = planCapture(corpus, specialIds(base), limits)
  const layers = hookNames(base.config).filter((hook) => hook.endsWith('.hook_resid_post'))
  const whole: Whole = {
    layers: new Map(layers.map((hook) => [hook, likenessSums()])),
    base: lossSum(),
    tuned: lossSum(),
    kl: lossSum(),
  }
  const measured: Measured[] = []
  const spliced = Math.min(splice_tokens, plan.n_tokens)
  const progress = (n_sites: number, share: number, message: string) => ({
    type: 'progress' as const,
    share: (measured.length + n_sites * share) / Math.max(1, sites.length),
    message,
  })
  const heads = await openHeads(base, tuned, threads)
  let isFirst = true
  try {
    for await (const group of groupsOf(base, tuned, sites)) {
      try {
        const part = spliced > 0 ? 0.5 : 1
        const reading = { base, tuned, corpus, plan, group, signal }
        for await (const share of readPlan(reading, isFirst ? { whole, heads } : undefined))
          yield progress(group.length, part * share, 'tokens through both models')
        isFirst = false
        const deltas: (readonly (number | undefined)[])[] = []
        if (spliced > 0 && group.length > 0)
          for (const model of [base, tuned]) {
            const limits = { n_tokens: spliced, threads, signal }
            deltas.push(await deltaLosses(model, group, corpus, limits))
            const share = part + ((1 - part) * deltas.length) / 2
            yield progress(group.length, share, `reconstructions in place in ${model.name}`)
          }
        for (const [i, { id, hook, site, sums }] of group.entries())
          measured.push({
            ...{ id, hook, sums, ...measuredOf(site) },
            base: fitOf(sums.latents.n_base, sums, sums.fvu_base, deltas[0]?.[i]),
            tuned: fitOf(sums.latents.n_tuned, sums, sums.fvu_tuned, deltas[1]?.[i]),
          })
      } finally {
        for (const { site } of group) await site.close?.()
      }
    }
  } finally {
    await heads.close()
  }
  const { shifts, n_tests } = shiftsOf(
    measured.map(({ sums, measured: known }) => ({
      sums: sums.latents,
      ...(known ? { measured: known } : {}),
    })),
    level,
  )
  const sites_found = measured.map(({ id, hook, sums, base, tuned }, i): SiteShift => {
    const { unit, latents } = shifts[i]!
    const n = { gained: 0, lost: 0, strengthened: 0, weakened: 0 }
    for (const { kind } of latents) n[kind]++
    const alike = likenessOf(sums.likeness)
    return { id, hook, unit, base, tuned, ...alike, n, latents: latents.slice(0, n_latents) }
  })
  const layers_found = layers.map((hook) => ({ hook, ...likenessOf(whole.layers.get(hook)!) }))
  const changed = new Set(
    [...layers_found, ...sites_found]
      .filter(({ distance }) => distance > ROUNDING)
      .map(({ hook }) => hook),
  )
  const first_changed = base.hooks.find((hook) => changed.has(hook))
  const kl = meanLoss(whole.kl)
  const comparison: ModelComparison = {
    base: sideOf(base, meanLoss(whole.base)),
    tuned: sideOf(tuned, meanLoss(whole.tuned)),
    n_tokens: plan.n_tokens,
    n_excluded: plan.n_excluded,
    n_documents: plan.batches.reduce((n, { docs }) => n + docs.length, 0),
    splice_tokens: spliced,
    ...(kl === undefined ? {} : { kl }),
    layers: layers_found,
    ...(first_changed === undefined ? {} : { first_changed }),
    sites: sites_found,
    n_tests,
    level,
  }
  yield { type: 'done', comparison }
}

/** Opens sites in order, as many at a time as there is memory for; at least one. What is given back the caller closes. */
async function* groupsOf(
  base: Model,
  tuned: Model,
  sites: readonly CompareSite[],
): AsyncGenerator<Opened[]> {
  let group: Opened[] = []
  let bytes = 0
  let given = false
  try {
    for (const one of sites) {
      const site = await one.open()
      if (site === undefined) continue
      group.push({ ...one, site, sums: siteSums(site.runner) })
      for (const model of [base, tuned]) checkFits(site.runner.sae, model)
      bytes += 4 * (site.runner.sae.W_enc.length + site.runner.sae.W_dec.length)
      if (bytes < GROUP_BYTES) continue
      const full = group
      group = []
      bytes = 0
      given = true
      yield full
    }
    // Without any site, layers and losses are still to be compared.
    if (group.length > 0 || !given) {
      const rest = group
      group = []
      yield rest
    }
  } finally {
    for (const { site } of group) await site.close?.()
  }
}

type Whole = {
  readonly layers: ReadonlyMap<HookName, LikenessSums>
  readonly base: ReturnType<typeof lossSum>
  readonly tuned: ReturnType<typeof lossSum>
  readonly kl: ReturnType<typeof lossSum>
}

type Reading = {
  readonly base: Model
  readonly tuned: Model
  readonly corpus: TokenCorpus
  readonly plan: CapturePlan
  readonly group: readonly Opened[]
  readonly signal: AbortSignal | undefined
}

const FINAL: HookName = 'ln_final.hook_normalized'

/** Step 3 for one group: yields how far it is, 0 to 1. `first` holds what is measured once. */
async function* readPlan(
  { base, tuned, corpus, plan, group, signal }: Reading,
  first: { readonly whole: Whole; readonly heads: TwoHeads } | undefined,
): AsyncGenerator<number> {
  const special = specialIds(base)
  const asked = new Set<HookName>(first ? [...first.whole.layers.keys(), FINAL] : [])
  for (const { site } of group) {
    asked.add(site.runner.sae.hook_name)
    asked.add(outputSite(site.runner.sae).hook)
  }
  const hooks = base.hooks.filter((hook) => asked.has(hook))
  const options = { hooks, ...(signal ? { signal } : {}) }
  let n_done = 0
  for (const planned of plan.batches) {
    signal?.throwIfAborted()
    const batch = padDocuments(corpus, planned.docs, base.config.pad_token_id)
    const { at } = countableRows(corpus, planned, batch.seq_len, special, plan.token_end)
    const acts_base = (await base.forward(batch, options)).acts
    const acts_tuned = (await tuned.forward(batch, options)).acts
    const rows = (hook: HookName) =>
      [takeRows(acts_base.get(hook)!, at), takeRows(acts_tuned.get(hook)!, at)] as const
    for (const { site, sums } of group) await readSite(site.runner, sums, rows)
    if (first) {
      const { whole, heads } = first
      for (const [hook, sums] of whole.layers) addLikeness(sums, ...rows(hook), base.width(hook))
      const targets = targetsAmong(batch, at)
      const before = (acts: ReadonlyMap<HookName, HookActs>) =>
        takeRows(acts.get(FINAL)!, targets.from)
      const found = await heads.compare(before(acts_base), before(acts_tuned), targets.id)
      addLosses(whole.base, found.base)
      addLosses(whole.tuned, found.tuned)
      addLosses(whole.kl, found.kl)
    }
    n_done += planned.n_tokens
    yield n_done / plan.n_tokens
  }
}

/** One site of a batch. */
async function readSite(
  runner: SaeRunner,
  sums: SiteSums,
  rows: (hook: HookName) => readonly [Float32Array, Float32Array],
): Promise<void> {
  const { sae } = runner
  const { hook, d } = outputSite(sae)
  const [x_base, x_tuned] = rows(sae.hook_name)
  const [y_base, y_tuned] = hook === sae.hook_name ? [x_base, x_tuned] : rows(hook)
  const base = await runner.encode(x_base)
  const tuned = await runner.encode(x_tuned)
  addTokens(sums.latents, base, tuned)
  addLikeness(sums.likeness, x_base, x_tuned, sae.d_in)
  sums.fvu_base ??= fvuSums(y_base.slice(0, d))
  sums.fvu_tuned ??= fvuSums(y_tuned.slice(0, d))
  addToFvu(sums.fvu_base, y_base, await runner.decode(base, x_base))
  addToFvu(sums.fvu_tuned, y_tuned, await runner.decode(tuned, x_tuned))
}

/** Step 4 for one group in one model: `delta_ce_loss` of each SAE. */
async function deltaLosses(
  model: Model,
  group: readonly Opened[],
  corpus: TokenCorpus,
  options: { n_tokens: number; threads: number | undefined; signal: AbortSignal | undefined },
): Promise<(number | undefined)[]> {
  const { n_tokens, threads, signal } = options
  const runners = group.map(({ site }) => site.runner)
  const metrics = await evaluateSuite(model, runners, corpus, {
    n_tokens,
    zero_tokens: 0,
    importance_tokens: 0,
    ...(threads === undefined ? {} : { threads }),
    ...(signal === undefined ? {} : { signal }),
  })
  return runners.map((runner) => metrics.get(runner)?.delta_ce_loss)
}

function fitOf(
  n_active: Uint32Array,
  { latents }: SiteSums,
  sums: FvuSums | undefined,
  delta_ce_loss: number | undefined,
): SiteFit {
  const unexplained = sums && fvu(sums)
  return {
    l0: n_active.reduce((total, n) => total + n, 0) / latents.n_tokens,
    ...(unexplained === undefined ? {} : { fvu: unexplained }),
    ...(delta_ce_loss === undefined ? {} : { delta_ce_loss }),
  }
}

const siteSums = ({ sae }: SaeRunner): SiteSums => ({
  latents: latentSums(sae.d_sae),
  likeness: likenessSums(),
})

const measuredOf = ({ measured }: OpenSite) => (measured === undefined ? {} : { measured })

const sideOf = ({ name, hash }: Model, ce_loss: number | undefined): ModelSide => ({
  name,
  hash,
  ...(ce_loss === undefined ? {} : { ce_loss }),
})
