/**
 * SAEs whose loss is no longer finite: each stops alone, and its last good state stays on disk in its folder, as
 * `last_good.safetensors` (its tensors of the newest checkpoint) and `failed.json` (when and why).
 */
import { join } from 'node:path'
import { removePath, writeJson } from '../files/index.ts'
import { saeFolder } from '../sae/index.ts'
import { extractState, type RunConfig, readCheckpoint } from './checkpoint.ts'
import type { RunPlan } from './control.ts'
import type { StepOutput } from './engine.ts'
import type { TrainFailure } from './types.ts'

/** Failures by place in the run; part of a checkpoint. */
export type Failures = Readonly<Record<number, TrainFailure>>

/** The SAEs whose loss of this step is not finite, with the reason. */
export function findFailures(
  plan: RunPlan,
  outputs: readonly StepOutput[],
  known: Failures,
): { sae: number; reason: string }[] {
  return outputs.flatMap(({ mse }, sae) => {
    if (Number.isFinite(mse) || known[sae]) return []
    const { spec, recipe } = plan.saes[sae]!
    return [
      {
        sae,
        reason: `the loss of ${spec.hook} is ${mse}: its activations hold numbers that are not finite, or lr ${recipe.lr} is too high`,
      },
    ]
  })
}

/** Notes a failure in the SAE's folder, with its state of the newest checkpoint where there is one. */
export async function recordFailure(
  out: string,
  config: RunConfig,
  plan: RunPlan,
  failure: { sae: number; step: number; reason: string },
): Promise<TrainFailure> {
  const { sae, step, reason } = failure
  const { hook, d_sae, l0 } = plan.saes[sae]!.spec
  const folder = saeFolder(out, hook, d_sae, l0)
  const checkpoint = await readCheckpoint(out, config)
  const noted = { step, reason, ...(checkpoint ? { last_good_step: checkpoint.step } : {}) }
  if (checkpoint)
    await extractState(join(folder, 'last_good.safetensors'), { checkpoint, plan, sae })
  await writeJson(join(folder, 'failed.json'), noted)
  return noted
}

/** Removes the notes of an earlier run that failed. */
export async function forgetFailure(folder: string): Promise<void> {
  await removePath(join(folder, 'failed.json'))
  await removePath(join(folder, 'last_good.safetensors'))
}
