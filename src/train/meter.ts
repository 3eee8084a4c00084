/** Measurements of a run, averaged between points. */
import type { RunPlan } from './control.ts'
import type { StepInput, StepOutput } from './engine.ts'
import type { Failures } from './failures.ts'
import { auxLoss, sparsityLoss } from './schedules.ts'
import type { TrainPoint, TrainProgress } from './types.ts'

type Sums = Record<'n' | 'mse' | 'variance' | 'l0' | 'sparsity_loss' | 'aux_loss', number>

const EMPTY: Sums = { n: 0, mse: 0, variance: 0, l0: 0, sparsity_loss: 0, aux_loss: 0 }

/** Adds up what each step measured and gives a point per SAE every `point_every_steps` and at the end. */
export class Meter {
  readonly #plan: RunPlan
  readonly #n_steps: number
  readonly #first: number
  #sums: Sums[]
  #started_ms = performance.now()
  #point_ms = performance.now()
  #point_step: number

  /** @param first steps taken before this call; @param window sums that a checkpoint held. */
  constructor(
    plan: RunPlan,
    n_steps: number,
    first: number,
    window?: readonly Readonly<Record<string, number>>[],
  ) {
    this.#plan = plan
    this.#n_steps = n_steps
    this.#first = first
    this.#point_step = first
    this.#sums = plan.saes.map((_, i) => ({ ...EMPTY, ...window?.[i] }))
  }

  /** Leaves time that was waited and not worked out of speed and forecast. */
  leaveOut(waited_ms: number): void {
    this.#started_ms += waited_ms
    this.#point_ms += waited_ms
  }

  /** Sums since the last point, for a checkpoint. */
  window(): Readonly<Record<string, number>>[] {
    return this.#sums.map((sums) => ({ ...sums }))
  }

  /** @param step steps taken, this one included. @param failures SAEs that give no points any more. */
  add(
    step: number,
    outputs: readonly StepOutput[],
    inputs: readonly StepInput[],
    failures: Failures,
  ): TrainProgress | undefined {
    for (const [i, output] of outputs.entries()) {
      const { mse, variance, aux, l0, mean_act } = output
      const { spec, recipe } = this.#plan.saes[i]!
      const { lambda } = inputs[i]!
      const sums = this.#sums[i]!
      sums.n++
      sums.mse += mse
      sums.variance += variance
      sums.l0 += l0
      sums.sparsity_loss += sparsityLoss(recipe, { l0, l0_target: spec.l0, lambda, mean_act })
      sums.aux_loss += auxLoss(recipe, aux)
    }
    const every = this.#plan.saes[0]!.recipe.point_every_steps
    if (step % every !== 0 && step !== this.#n_steps) return undefined
    const now_ms = performance.now()
    const tokens_per_s =
      ((step - this.#point_step) * this.#plan.batch_size * 1000) / (now_ms - this.#point_ms)
    const points = this.#plan.saes.flatMap(({ spec }, i): TrainPoint[] => {
      if (failures[i]) return []
      const { n, mse, variance, l0, sparsity_loss, aux_loss } = this.#sums[i]!
      const point = {
        hook: spec.hook,
        d_sae: spec.d_sae,
        l0_target: spec.l0,
        step,
        n_steps: this.#n_steps,
        n_tokens: step * this.#plan.batch_size,
        mse: mse / n,
        sparsity_loss: sparsity_loss / n,
        aux_loss: aux_loss / n,
        lambda: inputs[i]!.lambda,
        l0: l0 / n,
        fvu: mse / variance,
        dead: outputs[i]!.dead,
        tokens_per_s,
      }
      return [point]
    })
    this.#sums = this.#plan.saes.map(() => ({ ...EMPTY }))
    this.#point_ms = now_ms
    this.#point_step = step
    const per_step_ms = (now_ms - this.#started_ms) / (step - this.#first)
    return {
      step,
      n_steps: this.#n_steps,
      remaining_ms: per_step_ms * (this.#n_steps - step),
      points,
    }
  }
}
