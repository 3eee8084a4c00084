/**
 * Why an SAE does not do what its release says, found by measurement: the SAE is given other activations of the same text, and
 * what makes L0 and FVU fit is named.
 *
 * 1. Some hundreds of tokens are captured at the site, at the other sites of its layer, and in the layers beside it.
 * 2. Each alternative is one change: another site read, or written; inputs rescaled, by a rule or by a fitted factor; b_dec
 *    subtracted or added; the norm's gain multiplied in; BOS counted among the tokens, or not in front of the text.
 * 3. One that fits, and clearly better than the SAE as it is (`misfit`), is a cause; up to three that are nearly as good are named.
 *
 * Alternatives are not combined: an SAE that is wrong in two ways shows none, or the one that helps by itself.
 */

import { takeRows } from '../activations/index.ts'
import { type HookName, isReadOnly, type MlpNorm, type Model } from '../model/index.ts'
import { outputSite, type Sae, type SaeRunner } from '../sae/index.ts'
import { badgeOf, type Claims, misfit } from './selfTestBadge.ts'
import { batchDocuments, otherwiseBegun } from './selfTestDocuments.ts'
import { scaleTrials } from './selfTestScale.ts'
import { type CauseKind, type Fit, type Found, fitOf, type Trial } from './selfTestTrial.ts'

/** A change that makes the SAE fit. */
export type Cause = {
  readonly kind: CauseKind
  /** A sentence with the numbers. */
  readonly says: string
  readonly l0: number
  /** Absent where reconstructing would take too long, as L0 is too large. */
  readonly fvu?: number
  /** Tokens that this and the SAE as it is were compared on. */
  readonly n_tokens: number
  /** The sites to use instead, for kind `hook`. */
  readonly hook_name?: HookName
  readonly hook_name_out?: HookName
  /** The factor to multiply inputs by, for kind `scale` where it is one factor for all tokens. */
  readonly scale?: number
}

/** What causes are looked for in. */
export type Search = {
  readonly model: Model
  readonly runner: SaeRunner
  readonly claims: Claims
  readonly documents: readonly Int32Array[]
  readonly options: {
    readonly batch_tokens?: number
    readonly mlpNorm?: (layer: number) => Promise<Pick<MlpNorm, 'gain' | 'bias'>>
    readonly signal?: AbortSignal
  }
}

/** Causes named at most. */
const MOST = 3
/** How much smaller a cause's misfit must be, in nats: L0 or FVU better by a third. */
const MARGIN = 0.3
/** How much worse than the best another cause may fit to be named too. */
const NEARLY = 0.5
/** Misfits are compared in steps of this: of equal ones what was tried first, another site, comes first. */
const TIE = 0.02
/** `MARGIN` for another site where nothing looked wrong. */
const SITE_MARGIN = 0.25
/** How much better than the best rule a fitted factor must be before it is named. */
const FITTED_MARGIN = 0.3

/** Tokens that alternatives are tried on. */
const MOST_TOKENS = 512
const LEAST_TOKENS = 64
/** Multiplications of one encoding that decide on how many: about a second. */
const ENCODE_COST = 2 ** 35

/** Activations [n, d] of the tokens tried, by site, at counted tokens and at BOS. */
type Captured = {
  readonly rows: ReadonlyMap<HookName, Float32Array>
  readonly bos_rows: ReadonlyMap<HookName, Float32Array>
}

/** @returns the causes, best first, and what a reader should know about the search. */
export async function findCauses(search: Search): Promise<{ causes: Cause[]; notes: string[] }> {
  const { model, runner, claims, options } = search
  const { sae } = runner
  const documents = documentsToTry(search)
  const sites = sitesAround(sae.hook_name, model)
  const captured = await captureRows(search, documents, [...sites, ...ownSites(sae)])
  const notes: string[] = []
  const as_is = asIs(sae, captured)
  const before = await fitOf(runner, as_is)
  const trials: Trial[] = [
    ...siteTrials(sae, captured, sites),
    ...biasTrials(sae, as_is),
    ...(await bosTrials(search, captured, documents)),
  ]
  if (options.mlpNorm !== undefined) {
    trials.push(...(await gainTrials(sae, captured, options.mlpNorm)))
  } else if (isReadOnly(sae.hook_name)) {
    notes.push('The gain of the norm before the MLP was not at hand, so it was not tried.')
  }
  const found: Found[] = []
  for (const trial of trials) {
    options.signal?.throwIfAborted()
    found.push({ trial, fit: await fitOf(runner, trial) })
  }
  found.push(...(await scaleTrials(runner, as_is, claims, FITTED_MARGIN, options.signal)))
  const best = Math.min(...found.map(({ fit }) => misfit(fit, claims)))
  const limit = Math.min(misfit(before, claims) - MARGIN, best + NEARLY)
  const causes = found
    .filter(({ fit }) => fits(fit, claims) && misfit(fit, claims) <= limit)
    .sort((a, b) => step(a.fit, claims) - step(b.fit, claims))
    .slice(0, MOST)
    .map((one) => causeOf(one, before, claims))
  if (causes.length === 0) {
    notes.push(
      `None of ${found.length} other sites, scales, biases and beginnings of text fits clearly better on ${before.n_tokens} tokens.`,
    )
  }
  return { causes, notes }
}

/** Another site near the SAE's own that fits better, though nothing looked wrong: a mistake that wide bounds let through. */
export async function siteThatFits(search: Search): Promise<Cause | undefined> {
  const { model, runner, claims, options } = search
  const { sae } = runner
  const sites = sitesAround(sae.hook_name, model)
  const documents = documentsToTry(search)
  const captured = await captureRows(search, documents, [...sites, ...ownSites(sae)])
  const before = await fitOf(runner, asIs(sae, captured))
  let best: Found | undefined
  let least = misfit(before, claims) - SITE_MARGIN
  for (const trial of siteTrials(sae, captured, sites)) {
    options.signal?.throwIfAborted()
    if (trial.hook_name === sae.hook_name) continue
    const fit = await fitOf(runner, trial)
    if (!fits(fit, claims) || misfit(fit, claims) > least) continue
    least = misfit(fit, claims)
    best = { trial, fit }
  }
  return best === undefined ? undefined : causeOf(best, before, claims)
}

/** Misfit in steps of `TIE`. */
const step = (fit: Fit, claims: Claims): number => Math.round(misfit(fit, claims) / TIE)

/** Whether an alternative is more than the lesser evil. */
const fits = (fit: Fit, claims: Claims): boolean =>
  fit.fvu !== undefined && badgeOf(fit, claims) !== 'red'

function causeOf({ trial, fit }: Found, before: Fit, claims: Claims): Cause {
  const { kind, fits, hook_name, hook_name_out, scale } = trial
  const far = misfit(before, claims) - misfit(fit, claims) > Math.log(3) ? 'far better' : 'better'
  return {
    kind,
    says: `fits ${far} ${fits}: ${numbers(fit)} instead of ${numbers(before)}`,
    l0: fit.l0,
    ...(fit.fvu === undefined ? {} : { fvu: fit.fvu }),
    n_tokens: fit.n_tokens,
    ...(hook_name === undefined ? {} : { hook_name }),
    ...(hook_name_out === undefined ? {} : { hook_name_out }),
    ...(scale === undefined ? {} : { scale }),
  }
}

function numbers({ l0, fvu }: Fit): string {
  const share = fvu === undefined ? '' : `, FVU ${fvu < 10 ? fvu.toFixed(3) : fvu.toExponential(1)}`
  return `L0 ${l0.toFixed(l0 < 10 ? 1 : 0)}${share}`
}

/** The first documents, cut to the tokens that alternatives are tried on: fewer where an encoding costs more. */
function documentsToTry({ runner: { sae }, documents }: Search): Int32Array[] {
  const affordable = Math.floor(ENCODE_COST / (sae.d_in * sae.d_sae))
  let left = Math.max(LEAST_TOKENS, Math.min(MOST_TOKENS, affordable))
  const taken: Int32Array[] = []
  // Several beginnings, as a single text is all about one thing.
  const each = Math.ceil(left / 4)
  for (const ids of documents) {
    if (left <= 0) break
    taken.push(ids.subarray(0, Math.min(ids.length, each, left)))
    left -= taken.at(-1)!.length
  }
  return taken
}

/** Captures sites at counted tokens and at special ones. */
async function captureRows(
  { model, options }: Search,
  documents: readonly Int32Array[],
  sites: readonly HookName[],
): Promise<Captured> {
  const hooks = [...new Set(sites)]
  const rows = new Map<HookName, Float32Array[]>(hooks.map((hook) => [hook, []]))
  const bos_rows = new Map<HookName, Float32Array[]>(hooks.map((hook) => [hook, []]))
  const { batch_tokens = MOST_TOKENS, signal } = options
  for (const { batch, at, special_at } of batchDocuments(model, documents, batch_tokens)) {
    signal?.throwIfAborted()
    const { acts } = await model.forward(
      batch,
      signal === undefined ? { hooks } : { hooks, signal },
    )
    for (const hook of hooks) {
      rows.get(hook)!.push(takeRows(acts.get(hook)!, at))
      bos_rows.get(hook)!.push(takeRows(acts.get(hook)!, special_at))
    }
  }
  const joined = (parts: ReadonlyMap<HookName, Float32Array[]>) =>
    new Map([...parts].map(([hook, own]) => [hook, concat(own)]))
  return { rows: joined(rows), bos_rows: joined(bos_rows) }
}

const ownSites = (sae: Sae): HookName[] => [sae.hook_name, outputSite(sae).hook]

/** What the SAE reads and should write. */
function asIs(sae: Sae, { rows }: Captured): Trial {
  const x = rows.get(sae.hook_name)!
  return { kind: 'hook', fits: 'as it is', x, y: rows.get(outputSite(sae).hook)! }
}

/** Sites of the width read, in its layer and those beside it, each activation once, the SAE's own left out. */
function sitesAround(hook: HookName, model: Pick<Model, 'hooks' | 'width' | 'config'>): HookName[] {
  const { n_layers } = model.config
  const layer = layerOf(hook) ?? (hook === 'hook_embed' ? -1 : n_layers)
  const near = model.hooks.filter((site) => {
    const other = layerOf(site) ?? (site === 'hook_embed' ? -1 : n_layers)
    return Math.abs(other - layer) <= 1 && model.width(site) === model.width(hook)
  })
  return [...new Set(near.map(sameSite))].filter((site) => site !== sameSite(hook))
}

/** The residual stream between two blocks has two names. */
function sameSite(site: HookName): HookName {
  const layer = layerOf(site)
  const isBetween = site.endsWith('.hook_resid_pre') && layer !== undefined && layer > 0
  return isBetween ? `blocks.${layer - 1}.hook_resid_post` : site
}

function layerOf(site: HookName): number | undefined {
  const layer = /^blocks\.(\d+)\./.exec(site)?.[1]
  return layer === undefined ? undefined : Number(layer)
}

const kindOf = (site: HookName): string => sameSite(site).replace(/^blocks\.\d+\./, '')

/**
 * Other sites: read there (an SAE writes there too), or, for a transcoder or an SAE that may be one, written there; and, for a
 * transcoder, both in another layer.
 */
function siteTrials(sae: Sae, { rows }: Captured, sites: readonly HookName[]): Trial[] {
  const { hook: own_out } = outputSite(sae)
  const read = (hook: HookName, out: HookName, fits: string): Trial[] => {
    const [x, y] = [rows.get(hook), rows.get(out)]
    if (x === undefined || y === undefined || y.length * sae.d_in !== x.length * outputSite(sae).d)
      return []
    const moved = out === own_out ? {} : { hook_name_out: out }
    return [{ kind: 'hook', fits, x, y, hook_name: hook, ...moved }]
  }
  return sites.flatMap((site) => {
    if (sae.transcoder === undefined) {
      return [
        ...read(site, site, `at ${site}`),
        ...read(sae.hook_name, site, `as a transcoder that writes ${site}`),
      ]
    }
    const shift = (layerOf(site) ?? 0) - (layerOf(sae.hook_name) ?? 0)
    const layer_out = layerOf(own_out)
    const beside = own_out.replace(
      /^blocks\.\d+\./,
      `blocks.${(layer_out ?? 0) + shift}.`,
    ) as HookName
    const isSameKind =
      kindOf(site) === kindOf(sae.hook_name) && shift !== 0 && layer_out !== undefined
    return [
      ...(isSameKind ? read(site, beside, `reading ${site} and writing ${beside}`) : []),
      ...read(site, own_out, `reading ${site}`),
      ...(site === own_out ? [] : read(sae.hook_name, site, `writing ${site}`)),
    ]
  })
}

/** b_dec taken off the input, which the release did at run time, or put back, which it had folded away. */
function biasTrials(sae: Sae, { x, y }: Trial): Trial[] {
  if (sae.transcoder !== undefined || sae.b_dec.every((value) => value === 0)) return []
  const moved = (sign: 1 | -1) => x.map((value, i) => value + sign * sae.b_dec[i % sae.d_in]!)
  return [
    { kind: 'b_dec', fits: 'with b_dec subtracted from the input', x: moved(-1), y },
    {
      kind: 'b_dec',
      fits: 'with b_dec added to the input (it is subtracted twice)',
      x: moved(1),
      y,
    },
  ]
}

/** BOS among the tokens counted, and the text begun the other way. */
async function bosTrials(
  search: Search,
  { rows, bos_rows }: Captured,
  documents: readonly Int32Array[],
): Promise<Trial[]> {
  const { sae } = search.runner
  const { hook } = outputSite(sae)
  const trials: Trial[] = []
  const bos_x = bos_rows.get(sae.hook_name)!
  if (bos_x.length > 0) {
    trials.push({
      kind: 'bos',
      fits: 'with BOS counted among the tokens',
      x: concat([rows.get(sae.hook_name)!, bos_x]),
      y: concat([rows.get(hook)!, bos_rows.get(hook)!]),
    })
  }
  const begun = otherwiseBegun(search.model, documents)
  if (begun !== undefined) {
    const other = await captureRows(search, begun.documents, ownSites(sae))
    trials.push({
      kind: 'bos',
      fits: `on text ${begun.hasBos ? 'with' : 'without'} BOS in front`,
      x: other.rows.get(sae.hook_name)!,
      y: other.rows.get(hook)!,
    })
  }
  return trials
}

/** The MLP's input with the norm's gain and bias, which the hook leaves out; what an SAE of it writes has them too. */
async function gainTrials(
  sae: Sae,
  { rows }: Captured,
  mlpNorm: NonNullable<Search['options']['mlpNorm']>,
): Promise<Trial[]> {
  const layer = layerOf(sae.hook_name)
  if (layer === undefined) return []
  const site: HookName = `blocks.${layer}.ln2.hook_normalized`
  const normalized = rows.get(site)
  if (normalized === undefined) return []
  const { gain, bias } = await mlpNorm(layer)
  const x = normalized.map((value, i) => {
    const k = i % gain.length
    return value * gain[k]! + (bias?.[k] ?? 0)
  })
  const y = sae.transcoder === undefined ? x : rows.get(outputSite(sae).hook)!
  return [{ kind: 'norm_gain', fits: `at ${site} times the norm's gain`, x, y, hook_name: site }]
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
