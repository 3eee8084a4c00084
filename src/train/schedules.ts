/** How learning rate and sparsity coefficient move over a run. Steps count from 0. */
import type { ResolvedRecipe } from './config.ts'

type LrSchedule = Pick<ResolvedRecipe, 'lr_warmup_steps' | 'lr_decay'>

/**
 * Factor on the peak learning rate: cosine from 0.1 to 1 over the warm-up, 1, then linear to 0 over the last `lr_decay`
 * of the run. Where the two overlap the smaller holds.
 * Source: arXiv:2408.05147 §3.2 for the warm-up; the decay is ours.
 */
export function lrFactor(step: number, n_steps: number, recipe: LrSchedule): number {
  const { lr_warmup_steps, lr_decay } = recipe
  const warm =
    step < lr_warmup_steps ? 0.1 + 0.45 * (1 - Math.cos((Math.PI * step) / lr_warmup_steps)) : 1
  const n_decay = n_steps * lr_decay
  const decay = n_decay > 0 ? Math.min(1, (n_steps - step) / n_decay) : 1
  return Math.min(warm, decay)
}

/** Sparsity coefficient at a step: linear from 0 to `lambda` over the warm-up. */
export function lambdaAt(
  step: number,
  recipe: Pick<ResolvedRecipe, 'lambda' | 'lambda_warmup_steps'>,
): number {
  const { lambda, lambda_warmup_steps } = recipe
  return step < lambda_warmup_steps ? (lambda * (step + 1)) / (lambda_warmup_steps + 1) : lambda
}

/** Sparsity loss `lambda / (2 l0*) (l0 - l0*)^2`: quadratic about the target as in Gemma Scope 2, eq. 5, with the batch's mean l0. */
export function sparsityLoss(l0: number, l0_target: number, lambda: number): number {
  return (lambda / (2 * l0_target)) * (l0 - l0_target) ** 2
}

/** Its slope in l0: `lambda (l0 / l0* - 1)`, lambda itself at twice the target. */
export function sparsitySlope(l0: number, l0_target: number, lambda: number): number {
  return lambda * (l0 / l0_target - 1)
}
