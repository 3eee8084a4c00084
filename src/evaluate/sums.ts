/** What is summed for one SAE while text goes by, and the metrics that follow from it. */

import type { Metrics, SaeRunner, SparseActs } from '../sae/index.ts'
import { addLosses, type LossSum, lossSum, meanLoss, mergeLosses } from './ceLoss.ts'
import { ceLossRecovered } from './ceLossRecovered.ts'
import { dead, deadWindows, neverFired, noteFirst } from './dead.ts'
import { countActive, densityHistogram } from './density.ts'
import { addToFvu, type FvuSums, fvu, fvuSums, mergeFvu } from './fvu.ts'
import { l0 } from './l0.ts'
import { addToRatio, l2Ratio, type RatioSum, ratioSum } from './l2Ratio.ts'
import { type Bins, binRuns, byPosition } from './position.ts'
import { addToBias, type BiasSums, biasSums, reconstructionBias } from './reconstructionBias.ts'

export type SaeSums = {
  n_tokens: number
  /** [d_sae] */
  readonly n_active: Uint32Array
  /** [d_sae] as `noteFirst` keeps it. */
  readonly first: Float64Array
  readonly fvu: Bins<FvuSums>
  readonly ratio: RatioSum
  readonly bias: BiasSums
  readonly spliced: Bins<LossSum>
  readonly kl: LossSum
  /** Losses of the spliced pass on the targets that are also read with the site set to zero. */
  readonly spliced_sample: LossSum
  /** r_L0 of each token that has one. */
  readonly uniformity: number[]
}

/** What the SAEs of a site share. */
export type SharedSums = {
  /** Losses of the plain pass. */
  readonly plain: Bins<LossSum>
  /** The same on the targets that are also read with the site set to zero. */
  readonly plain_sample: LossSum
  /** Losses of those with the site set to zero. */
  readonly zero_sample: LossSum
}

/** Sums over no tokens yet. */
export const saeSums = ({ sae }: SaeRunner): SaeSums => ({
  n_tokens: 0,
  n_active: new Uint32Array(sae.d_sae),
  first: neverFired(sae.d_sae),
  fvu: [],
  ratio: ratioSum(),
  bias: biasSums(),
  spliced: [],
  kl: lossSum(),
  spliced_sample: lossSum(),
  uniformity: [],
})

/**
 * Adds tokens and their reconstruction.
 * @param y [n, d] at the site the SAE writes @param recon [n, d] @param positions [n] in their documents.
 */
export function addTokens(
  sums: SaeSums,
  tokens: {
    readonly acts: SparseActs
    readonly y: Float32Array
    readonly recon: Float32Array
    readonly positions: Int32Array
  },
): void {
  const { acts, y, recon, positions } = tokens
  const d = y.length / positions.length
  countActive(acts, sums.n_active)
  noteFirst(acts, sums.first, sums.n_tokens)
  const shift = sums.fvu.find((bin) => bin !== undefined)?.shift ?? y.slice(0, d)
  for (const { bin, from, to } of binRuns(positions)) {
    sums.fvu[bin] ??= fvuSums(shift)
    addToFvu(sums.fvu[bin], y, recon, from, to)
  }
  addToRatio(sums.ratio, y, recon, d)
  addToBias(sums.bias, y, recon)
  sums.n_tokens += positions.length
}

/** Adds losses [n] of targets to the bins of their positions. */
export function addByPosition(
  bins: Bins<LossSum>,
  losses: Float32Array,
  positions: Int32Array,
): void {
  for (const { bin, from, to } of binRuns(positions)) {
    bins[bin] ??= lossSum()
    addLosses(bins[bin], losses.subarray(from, to))
  }
}

/** The metrics of one SAE, but for what says which model and text they are of. */
export function metricsOf(
  sums: SaeSums,
  shared: SharedSums,
): Omit<Metrics, 'n_excluded' | 'model_hash' | 'corpus_hash'> {
  const { n_tokens, n_active, first } = sums
  const ce_loss = meanLoss(mergeLosses(shared.plain))
  const spliced = meanLoss(mergeLosses(sums.spliced))
  const recovered = recoveredOf(sums.spliced_sample, shared)
  const n_uniformity = sums.uniformity.length
  const noTarget = 'no counted token has a token before it to be predicted from'
  const { present, absent } = sorted({
    fvu: [fvu(mergeFvu(sums.fvu)), `the activations are the same on all ${n_tokens} tokens`],
    l2_ratio: [l2Ratio(sums.ratio), 'all activations are zero'],
    relative_reconstruction_bias: [
      reconstructionBias(sums.bias),
      'reconstructions and activations have no product on average',
    ],
    ce_loss: [ce_loss, noTarget],
    delta_ce_loss: [
      ce_loss === undefined || spliced === undefined ? undefined : spliced - ce_loss,
      noTarget,
    ],
    kl: [meanLoss(sums.kl), noTarget],
    ce_loss_zero: [meanLoss(shared.zero_sample), 'no token was read with the site set to zero'],
    ce_loss_recovered: [recovered, 'setting the site to zero was not tried, or costs nothing'],
    uniformity: [
      n_uniformity === 0
        ? undefined
        : sums.uniformity.reduce((sum, r) => sum + r, 0) / n_uniformity,
      'importance was not asked for, or none of the tokens looked at has active latents',
    ],
  })
  return {
    n_tokens,
    l0: l0(n_active, n_tokens),
    ...present,
    ...(present.ce_loss_zero === undefined
      ? {}
      : { ce_loss_zero_tokens: shared.zero_sample.n_targets }),
    ...(n_uniformity === 0 ? {} : { uniformity_tokens: n_uniformity }),
    dead: dead(first, n_tokens),
    dead_window_tokens: n_tokens,
    dead_windows: deadWindows(n_tokens).map((window) => ({
      n_tokens: window,
      dead: dead(first, window),
    })),
    density_histogram: densityHistogram(n_active, n_tokens),
    by_position: byPosition(sums.fvu, shared.plain, sums.spliced),
    absent,
  }
}

function recoveredOf(spliced_sample: LossSum, shared: SharedSums): number | undefined {
  const zero = meanLoss(shared.zero_sample)
  const plain = meanLoss(shared.plain_sample)
  const spliced = meanLoss(spliced_sample)
  if (zero === undefined || plain === undefined || spliced === undefined) return undefined
  return ceLossRecovered({ zero, plain, spliced })
}

/** Numbers that there are by their names, and of the others the reasons. */
function sorted<Name extends string>(
  numbers: Readonly<Record<Name, readonly [value: number | undefined, whyAbsent: string]>>,
): { present: Partial<Record<Name, number>>; absent: Record<string, string> } {
  const present: Partial<Record<Name, number>> = {}
  const absent: Record<string, string> = {}
  for (const name of Object.keys(numbers) as Name[]) {
    const [value, why] = numbers[name]
    if (value === undefined) absent[name] = why
    else present[name] = value
  }
  return { present, absent }
}
