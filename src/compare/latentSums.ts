/** What is summed of every latent while the same tokens go through two models, and the tests that follow. */

import type { SparseActs } from '../sae/index.ts'
import { falseDiscoveryRates, signTest } from './significance.ts'
import type { LatentShift, OpenSite } from './types.ts'
import { differs, eachLatent, unitsOf } from './units.ts'

/** Sums over tokens, each [d_sae]. */
export type LatentSums = {
  n_tokens: number
  readonly n_base: Uint32Array
  readonly n_tuned: Uint32Array
  readonly only_base: Uint32Array
  readonly only_tuned: Uint32Array
  /** Tokens where both have it on, and tuned more (less). */
  readonly up: Uint32Array
  readonly down: Uint32Array
  readonly sum_base: Float64Array
  readonly sum_tuned: Float64Array
  /** `sum (tuned - base)^2` */
  readonly squares: Float64Array
  readonly largest: Float32Array
}

/** Sums over no tokens yet. */
export function latentSums(d_sae: number): LatentSums {
  const counts = () => new Uint32Array(d_sae)
  const sums = () => new Float64Array(d_sae)
  return {
    n_tokens: 0,
    n_base: counts(),
    n_tuned: counts(),
    only_base: counts(),
    only_tuned: counts(),
    up: counts(),
    down: counts(),
    sum_base: sums(),
    sum_tuned: sums(),
    squares: sums(),
    largest: new Float32Array(d_sae),
  }
}

/** Adds the same tokens in both models. Differences within rounding are none. */
export function addTokens(sums: LatentSums, base: SparseActs, tuned: SparseActs): void {
  for (let token = 0; token < base.n; token++) {
    eachLatent(base, token, tuned, token, (latent, a, b) => {
      if (a > 0) sums.n_base[latent]!++
      if (b > 0) sums.n_tuned[latent]!++
      sums.largest[latent] = Math.max(sums.largest[latent]!, a, b)
      sums.sum_base[latent]! += a
      if (!differs(a, b)) {
        sums.sum_tuned[latent]! += a
        return
      }
      sums.sum_tuned[latent]! += b
      sums.squares[latent]! += (b - a) ** 2
      if (a === 0) sums.only_tuned[latent]!++
      else if (b === 0) sums.only_base[latent]!++
      else if (b > a) sums.up[latent]!++
      else sums.down[latent]!++
    })
  }
  sums.n_tokens += base.n
}

/** One site's sums on their way to a list. */
export type SiteSums = {
  readonly sums: LatentSums
  readonly measured?: OpenSite['measured']
}

/** Latents of one site that differ. */
export type Shifts = {
  readonly unit: 'corpus' | 'runs'
  /** All that are significant, foremost first. */
  readonly latents: readonly LatentShift[]
}

/**
 * Which latents differ between the models, at all sites together.
 *
 * Every latent has two exact sign tests over tokens, on tokens that have nothing in common: whether it is on, on those where
 * one model alone has it on (McNemar); and how much, on those where both have (`signTest`). Tests that nothing changed for
 * are not counted. Over all the others q is Benjamini and Hochberg's; latents with a q of at most `level` are listed, unless
 * most tokens go one way and the mean over all of them the other.
 * Tokens are taken as independent, which neighbours are not quite: weigh the effect, too.
 * @param level 0.05 is one false find among twenty.
 */
export function shiftsOf(
  sites: readonly SiteSums[],
  level: number,
): { shifts: Shifts[]; n_tests: number } {
  const tests: { site: number; latent: number; isDensity: boolean }[] = []
  const p: number[] = []
  for (const [site, { sums }] of sites.entries()) {
    const test = (latent: number, isDensity: boolean, up: number, down: number) => {
      if (up + down === 0) return
      tests.push({ site, latent, isDensity })
      p.push(signTest(up, down))
    }
    for (let latent = 0; latent < sums.n_base.length; latent++) {
      test(latent, true, sums.only_tuned[latent]!, sums.only_base[latent]!)
      test(latent, false, sums.up[latent]!, sums.down[latent]!)
    }
  }
  const q = falseDiscoveryRates(p)
  /** By site and latent; density's test comes first, so that it names the kind where it is significant. */
  const found = sites.map(() => new Map<number, LatentShift>())
  const units = sites.map((site) => unitsOf(site, (latent) => site.sums.largest[latent]!))
  for (const [test, { site, latent, isDensity }] of tests.entries()) {
    if (q[test]! > level || found[site]!.has(latent)) continue
    const { sums } = sites[site]!
    const rises = isDensity
      ? sums.only_tuned[latent]! > sums.only_base[latent]!
      : sums.up[latent]! > sums.down[latent]!
    const kind = isDensity ? (rises ? 'gained' : 'lost') : rises ? 'strengthened' : 'weakened'
    const measured = measure(sums, latent, units[site]!.of(latent))
    if (measured.effect > 0 === rises)
      found[site]!.set(latent, { index: latent, kind, q: q[test]!, ...measured })
  }
  const shifts = found.map((latents, site) => ({
    unit: units[site]!.unit,
    latents: [...latents.values()].sort(
      (x, y) => Math.abs(y.effect) - Math.abs(x.effect) || x.index - y.index,
    ),
  }))
  return { shifts, n_tests: tests.length }
}

/** A latent's means, densities, and effect with its standard error over tokens. */
function measure(sums: LatentSums, latent: number, unit: number) {
  const n = sums.n_tokens
  const mean_base = sums.sum_base[latent]! / n
  const mean_tuned = sums.sum_tuned[latent]! / n
  const mean = mean_tuned - mean_base
  const variance = Math.max(0, sums.squares[latent]! - n * mean * mean) / Math.max(1, n - 1)
  return {
    effect: mean / unit,
    effect_se: Math.sqrt(variance / n) / unit,
    mean_base,
    mean_tuned,
    density_base: sums.n_base[latent]! / n,
    density_tuned: sums.n_tuned[latent]! / n,
  }
}
