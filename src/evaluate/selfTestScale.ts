/** Scales of the input that published SAEs are trained in, tried one by one; and the factor that fits best, whatever its reason. */

import type { SaeRunner } from '../sae/index.ts'
import { type Claims, misfit } from './selfTestBadge.ts'
import { type Found, fitOf, type Trial } from './selfTestTrial.ts'

/** Powers of two around 1 that the search for a factor begins with, and the steps it then halves. */
const COARSE = [-10, -8, -6, -4, -2, 2, 4, 6, 8, 10]
const FINE = [1, 0.5, 0.25]

/**
 * All rules, and the fitted factor where it fits better than every rule by `margin` (nats of misfit).
 * @param as_is what the SAE reads and should write.
 */
export async function scaleTrials(
  runner: SaeRunner,
  as_is: Trial,
  claims: Claims,
  margin: number,
  signal?: AbortSignal,
): Promise<Found[]> {
  const isTranscoder = runner.sae.transcoder !== undefined
  const found: Found[] = []
  const tryAll = async (trials: readonly Trial[]) => {
    for (const trial of trials) {
      signal?.throwIfAborted()
      found.push({ trial, fit: await fitOf(runner, trial) })
    }
  }
  for (const { fits, factors, scale } of rules(as_is.x, runner.sae.d_in)) {
    await tryAll(scaled(as_is, fits, factors, isTranscoder, scale))
  }
  const best_rule = Math.min(...found.map(({ fit }) => misfit(fit, claims)))
  const n_rules = found.length
  const best = () =>
    found.slice(n_rules).reduce((a, b) => (misfit(b.fit, claims) < misfit(a.fit, claims) ? b : a))
  const n = as_is.x.length / runner.sae.d_in
  const tryFactor = (scale: number) =>
    tryAll(
      scaled(
        as_is,
        `with inputs times ${scale.toPrecision(3)} (fitted)`,
        new Float32Array(n).fill(scale),
        isTranscoder,
        scale,
      ),
    )
  for (const power of COARSE) await tryFactor(2 ** power)
  for (const step of FINE) {
    const middle = best().trial.scale!
    await tryFactor(middle * 2 ** step)
    await tryFactor(middle / 2 ** step)
  }
  const fitted = best()
  const rest = found.slice(0, n_rules)
  return misfit(fitted.fit, claims) < best_rule - margin ? [...rest, fitted] : rest
}

type Rule = { readonly fits: string; readonly factors: Float32Array; readonly scale?: number }

/** Factors [n] of the rules that releases use. */
function rules(x: Float32Array, d: number): Rule[] {
  const n = x.length / d
  const norms = Float64Array.from(
    { length: n },
    (_, row) => Math.hypot(...x.subarray(row * d, (row + 1) * d)) || 1,
  )
  const mean = norms.reduce((sum, norm) => sum + norm, 0) / n
  const rms = Math.sqrt(norms.reduce((sum, norm) => sum + norm * norm, 0) / n)
  const each = (fits: string, of: (norm: number) => number): Rule => ({
    fits,
    factors: Float32Array.from(norms, of),
  })
  const one = (fits: string, scale: number): Rule => ({
    fits: `with inputs ${fits} (times ${scale.toPrecision(3)})`,
    factors: new Float32Array(n).fill(scale),
    scale,
  })
  const root = Math.sqrt(d)
  return [
    each('with every input divided by its own norm', (norm) => 1 / norm),
    each('with every input divided by its own root mean square', (norm) => root / norm),
    one('multiplied by sqrt(d)', root),
    one('divided by sqrt(d)', 1 / root),
    one('scaled to a mean square norm of 1', 1 / rms),
    one('scaled to a mean norm of sqrt(d)', root / mean),
  ]
}

/** The input scaled; of a transcoder the output may be in the same scale, or not. */
function scaled(
  { x, y }: Trial,
  fits: string,
  factors: Float32Array,
  isTranscoder: boolean,
  scale?: number,
): Trial[] {
  const d = x.length / factors.length
  const trial: Trial = {
    kind: 'scale',
    fits,
    x: x.map((value, i) => value * factors[Math.floor(i / d)]!),
    y,
    unscale: factors,
    ...(scale === undefined ? {} : { scale }),
  }
  if (!isTranscoder) return [trial]
  const { unscale: _, ...input_only } = trial
  return [trial, { ...input_only, fits: `${fits}, outputs as they are` }]
}
