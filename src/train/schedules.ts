/** How learning rate and sparsity coefficient move over a run. Steps count from 0. */
import { ARCHITECTURES } from './architectures/index.ts'
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

/** Whether lambda follows L0: activations are paid for, and L0 has a target. */
export function followsL0({ architecture, sparsity }: Sparsity): boolean {
  return sparsity === 'target' && ARCHITECTURES[architecture].pays_activation
}

/** Lambda of one SAE that follows L0, and how far the last batch was off: `ln(l0 / l0*)`. */
export type Followed = { readonly lambda: number; readonly off: number }

/** How lambda answers: `ln lambda` moves by HOLD times how far L0 is off, and by MEET times the change of that. */
const HOLD = 0.02
const MEET = 2

/**
 * Lambda for the next step where it follows L0: a proportional-integral controller on `ln lambda`, from what the batch had. It
 * never stops moving, so it ends where L0 meets its target; the proportional part (lambda goes with the square of L0) keeps it
 * from swinging, since L0 answers only over some hundred steps.
 */
export function followL0({ lambda, off }: Followed, l0: number, l0_target: number): Followed {
  const now = Math.log(Math.max(l0, l0_target / 4) / l0_target)
  return { lambda: lambda * Math.exp(HOLD * now + MEET * (now - off)), off: now }
}

type Sparsity = Pick<ResolvedRecipe, 'architecture' | 'sparsity'>
type Measured = { readonly l0: number; readonly l0_target: number; readonly lambda: number }

/**
 * The sparsity loss: `lambda / (2 l0*) (l0 - l0*)^2`, quadratic about the target as in Gemma Scope 2, eq. 5, with the batch's
 * mean l0; `lambda l0` where lambda is fixed; `lambda mean_act` where activations are paid for.
 * @param mean_act mean over tokens of the sum of the activations that are paid for.
 */
export function sparsityLoss(
  { architecture, sparsity }: Sparsity,
  { l0, l0_target, lambda, mean_act }: Measured & { readonly mean_act: number },
): number {
  const { pays_activation, learns_threshold } = ARCHITECTURES[architecture]
  if (pays_activation) return lambda * mean_act
  if (!learns_threshold) return 0
  return sparsity === 'fixed' ? lambda * l0 : (lambda / (2 * l0_target)) * (l0 - l0_target) ** 2
}

/** Its slopes in l0 (lambda itself at twice the target) and in the mean activation. */
export function prices(
  { architecture, sparsity }: Sparsity,
  { l0, l0_target, lambda }: Measured,
): { readonly sparsity_slope: number; readonly activation_price: number } {
  const { pays_activation, learns_threshold } = ARCHITECTURES[architecture]
  if (pays_activation) return { sparsity_slope: 0, activation_price: lambda }
  if (!learns_threshold) return { sparsity_slope: 0, activation_price: 0 }
  const slope = sparsity === 'fixed' ? lambda : lambda * (l0 / l0_target - 1)
  return { sparsity_slope: slope, activation_price: 0 }
}

/** The auxiliary loss: the gate's own reconstruction as it is, AuxK with its weight. */
export function auxLoss(
  { architecture, aux_weight }: Pick<ResolvedRecipe, 'architecture' | 'aux_weight'>,
  aux: number,
): number {
  return ARCHITECTURES[architecture].gated ? aux : aux_weight * aux
}
