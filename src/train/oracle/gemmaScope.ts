/**
 * Gemma Scope's training of one JumpReLU SAE, plainly: the oracle for quality. Fixed `lambda L0`, thresholds as themselves
 * (not their logarithm), everything in f64.
 * Source: arXiv:2408.05147 §3.2; arXiv:2407.14435 for the gradients.
 */
import { latentRandom } from '../initialise.ts'
import {
  type OracleBatch,
  type OracleLoss,
  type OracleSae,
  oracleForward,
  oracleGradients,
  oracleStep,
  zerosLike,
} from '../oracle.ts'

/** The paper's constants, where a run of a million steps may be cut to hundreds; the defaults of `shortRun` say how. */
export type GemmaScopeRecipe = {
  readonly n_steps: number
  /** Peak learning rate. */
  readonly lr: number
  readonly lr_threshold: number
  /** Steps of cosine warm-up from a tenth of the learning rate; it is constant from there on. */
  readonly lr_warmup_steps: number
  /** Steps of linear warm-up of lambda from 0. */
  readonly lambda_warmup_steps: number
  /** Initial threshold, and width of the kernel of its gradient. */
  readonly bandwidth: number
}

/**
 * The recipe for a run of hundreds of steps. Kept: Adam (0, 0.999) with epsilon 1e-8, the learning rate's cosine warm-up and
 * constancy, lambda's linear warm-up, b_enc = b_dec = 0, W_enc = W_dec^T of unit rows. Changed, because 7e-5 a step times a few
 * hundred steps moves nothing far enough: peaks 0.003 for weights and 0.0005 for thresholds at d_in 256 (the paper has 7e-5 for
 * both; of 0.006, 0.003 and 0.0015 the first did worst and the others alike, 400 steps of 256), warm-ups of 5 % and 10 % of the
 * run (1,000 and 10,000 steps). Bandwidth and first threshold are 0.001 at d_in 2304 and grow with the spread of
 * pre-activations, `sqrt(2304 / d_in)`.
 */
export function shortRun(d_in: number, n_steps: number): GemmaScopeRecipe {
  return {
    n_steps,
    lr: 0.003 * Math.sqrt(256 / d_in),
    lr_threshold: 0.0005 * Math.sqrt(256 / d_in),
    lr_warmup_steps: Math.ceil(0.05 * n_steps),
    lambda_warmup_steps: Math.ceil(0.1 * n_steps),
    bandwidth: 0.001 * Math.sqrt(2304 / d_in),
  }
}

/**
 * Trains on the batches in their order.
 * @param batches inputs [n, d_in] of unit mean square norm, at least `n_steps` of them.
 */
export async function trainGemmaScope(
  batches: AsyncIterable<Float64Array>,
  shape: { readonly d_in: number; readonly d_sae: number; readonly seed: number },
  lambda: number,
  recipe: GemmaScopeRecipe,
): Promise<OracleSae> {
  const sae = initialise(shape, recipe.bandwidth)
  let t = 0
  for await (const x of batches) {
    const warm = (steps: number) => Math.min(1, t / steps)
    const factor = 0.1 + 0.9 * 0.5 * (1 - Math.cos(Math.PI * warm(recipe.lr_warmup_steps)))
    const loss = fixedPrice(lambda * warm(recipe.lambda_warmup_steps), recipe)
    const g = oracleGradients(sae, { x }, loss)
    t++
    oracleStep(sae, g, {
      lr: recipe.lr * factor,
      lr_threshold: recipe.lr_threshold * factor,
      ...{ beta2: 0.999, adam_eps: 1e-8, t },
    })
    if (t === recipe.n_steps) return sae
  }
  throw new RangeError(`trainGemmaScope: the batches ended after ${t} of ${recipe.n_steps} steps`)
}

/** Reconstruction and l0 of a batch, as the trained SAE gives them. */
export function reconstruct(
  sae: OracleSae,
  batch: OracleBatch,
): { recon: Float64Array; l0: number } {
  return oracleForward(sae, batch, fixedPrice(0, { bandwidth: 0 }))
}

const fixedPrice = (lambda: number, { bandwidth }: Pick<GemmaScopeRecipe, 'bandwidth'>) =>
  ({ lambda, bandwidth, sparsity: 'fixed', l0_target: 1 }) satisfies OracleLoss

function initialise(
  { d_in, d_sae, seed }: { d_in: number; d_sae: number; seed: number },
  threshold: number,
): OracleSae {
  const random = latentRandom(seed, d_in, d_sae)
  const W_dec = Float64Array.from({ length: d_sae * d_in }, () => 2 * random() - 1)
  for (let i = 0; i < d_sae; i++) {
    const row = W_dec.subarray(i * d_in, (i + 1) * d_in)
    const norm = Math.hypot(...row)
    for (let k = 0; k < d_in; k++) row[k]! /= norm
  }
  const none = new Float64Array()
  const parameters = {
    ...{ W_enc: W_dec.slice(), W_dec },
    ...{ b_enc: new Float64Array(d_sae), b_dec: new Float64Array(d_in) },
    ...{ threshold: new Float64Array(d_sae).fill(threshold) },
    ...{ r_mag: none, b_mag: none, W_skip: none },
  }
  const v = zerosLike(parameters)
  return {
    ...{ architecture: 'jumprelu', transcoder: false, parameters, v },
    ...{ d_in, d_out: d_in, d_sae },
  }
}
