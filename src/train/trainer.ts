/**
 * `train`: every SAE of a suite from one pass over the batches.
 *
 * (1) Settle the recipe of each SAE. (2) Take up the newest checkpoint, or initialise from the first batch. (3) Step:
 * while the workers compute, fetch the next batch; measure, checkpoint, listen for the abort signal. (4) Fold scale and
 * bias, save each SAE with the manifest of the run, remove the checkpoints.
 */
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { TrainingBatch } from '../activations/index.ts'
import { saveSae } from '../sae/disk.ts'
import { type Sae, saeFolder } from '../sae/index.ts'
import {
  type Checkpoint,
  type RunConfig,
  readCheckpoint,
  removeCheckpoints,
  writeCheckpoint,
} from './checkpoint.ts'
import { resolveRecipe } from './config.ts'
import type { RunPlan, SaePlan } from './control.ts'
import { Engine, type StepInput, type StepOutput } from './engine.ts'
import { TrainingStopped } from './errors.ts'
import { foldScale } from './fold.ts'
import { kernelVariant } from './kernels/load.ts'
import { Meter } from './meter.ts'
import { lambdaAt, lrFactor } from './schedules.ts'
import { padded, shardRanges } from './slice.ts'
import type { EngineState } from './state.ts'
import type { TrainOptions, TrainPoint, TrainResult } from './types.ts'

/**
 * Trains every SAE on the same batches and saves them, taking up a checkpoint in `out` by itself. The same source, seed,
 * recipe and shards give the same bytes, whatever the number of threads and however often the run was interrupted.
 * @throws TrainingStopped when `signal` aborts: after the current step, with a checkpoint written. RangeError if nothing
 *   is asked for, a site is not in the source, or a checkpoint of another configuration lies in `out`.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { source, out, seed, batch_size, signal, onPoint } = options
  const n_steps = Math.floor(options.n_tokens / batch_size)
  const plan = planRun(options, n_steps)
  const config = runConfig(options, plan, n_steps)
  const started_ms = performance.now()
  const checkpoint = await readCheckpoint(out, config)
  const first = checkpoint?.step ?? 0
  const meter = new Meter(plan, n_steps, first, checkpoint?.window)

  const batches = source.batches({ batch_size, seed, first_batch: first })[Symbol.asyncIterator]()
  const hooks = [...new Set(options.saes.map(({ hook }) => hook))]
  const next = async (): Promise<Float32Array[]> => {
    const { value, done } = await batches.next()
    if (done) throw new RangeError('train: the source of activations ended; it must be endless')
    return siteBatch(value, hooks, batch_size)
  }

  let engine: Engine | undefined
  let last: readonly TrainPoint[] = []
  try {
    let slot = 0
    if (first < n_steps) {
      const batch = await next()
      engine = checkpoint
        ? Engine.resume(plan, checkpoint.state, first)
        : await Engine.start(plan, batch)
      engine.put(slot, batch)
    } else if (checkpoint) engine = Engine.resume(plan, checkpoint.state, first)
    if (!engine) throw new RangeError('train: no step to take')

    for (let step = first; step < n_steps; step++) {
      const inputs = plan.saes.map(({ recipe }): StepInput => {
        const factor = lrFactor(step, n_steps, recipe)
        return {
          lr: recipe.lr * factor,
          lr_threshold: recipe.lr_threshold * factor,
          lambda: lambdaAt(step, recipe),
        }
      })
      const other = 1 - slot
      const running = engine.step(slot, inputs)
      const fetching =
        step + 1 < n_steps ? next().then((batch) => engine!.put(other, batch)) : undefined
      const [outputs] = await Promise.all([running, fetching])
      slot = other
      checkFinite(plan, outputs, step + 1)
      const progress = meter.add(step + 1, outputs, inputs)
      if (progress) {
        last = progress.points
        onPoint?.(progress)
      }
      const { checkpoint_every_steps } = plan.saes[0]!.recipe
      const stop = signal?.aborted === true && step + 1 < n_steps
      if (stop || ((step + 1) % checkpoint_every_steps === 0 && step + 1 < n_steps)) {
        const made: Checkpoint = {
          step: step + 1,
          config,
          state: await engine.snapshot(),
          window: meter.window(),
        }
        const path = await writeCheckpoint(out, made)
        if (stop) throw new TrainingStopped(path, step + 1, n_steps)
      }
    }

    const state = await engine.snapshot()
    const saes: TrainResult['saes'][number][] = []
    for (const [i, { spec }] of plan.saes.entries()) {
      const folder = saeFolder(out, spec.hook, spec.d_sae, spec.l0)
      await saveSae(
        folder,
        assemble(plan, i, state, source.norm(spec.hook), manifest(options, config, plan.saes[i]!)),
      )
      saes.push({ spec, folder, last: last[i] })
    }
    await removeCheckpoints(out)
    return {
      n_steps,
      n_tokens: n_steps * batch_size,
      wall_ms: performance.now() - started_ms,
      saes,
    }
  } finally {
    await engine?.close()
    await batches.return?.()
  }
}

function planRun(options: TrainOptions, n_steps: number): RunPlan {
  const { source, saes, batch_size, n_tokens } = options
  if (saes.length === 0) throw new RangeError('train: no SAE is asked for')
  if (n_steps < 1) {
    throw new RangeError(
      `train: n_tokens ${n_tokens} is less than one batch of ${batch_size}; ask for more tokens or smaller batches`,
    )
  }
  const hooks = [...new Set(saes.map(({ hook }) => hook))]
  const plans = saes.map((spec): SaePlan => {
    if (!source.hooks.includes(spec.hook)) {
      throw new RangeError(
        `train: ${spec.hook} is not in the source of activations, which has ${source.hooks.join(', ')}`,
      )
    }
    if (!(spec.l0 > 0 && spec.l0 < spec.d_sae))
      throw new RangeError(
        `train: l0 ${spec.l0} of ${spec.hook} must lie between 0 and d_sae ${spec.d_sae}`,
      )
    const d_in = source.width(spec.hook)
    const recipe = resolveRecipe(options.recipe ?? {}, {
      d_in,
      d_sae: spec.d_sae,
      n_steps,
      n_tokens,
    })
    const norm = source.norm(spec.hook)
    if (!(norm > 0))
      throw new RangeError(`train: ${spec.hook} has norm ${norm}; its activations are all zero`)
    return {
      spec,
      d_in,
      scale: 1 / norm,
      site: hooks.indexOf(spec.hook),
      n_shards: Math.min(recipe.shards, spec.d_sae),
      recipe,
    }
  })
  const most = Math.max(...plans.map(({ n_shards }) => n_shards))
  return {
    batch_size,
    seed: options.seed,
    n_threads: Math.max(1, Math.min(options.threads ?? availableParallelism(), most)),
    variant: kernelVariant(),
    saes: plans,
  }
}

function checkFinite(plan: RunPlan, outputs: readonly StepOutput[], step: number): void {
  for (const [i, { mse }] of outputs.entries()) {
    if (Number.isFinite(mse)) continue
    const { hook } = plan.saes[i]!.spec
    throw new RangeError(
      `train: the loss of ${hook} is ${mse} at step ${step}: its activations hold numbers that are not finite, or lr ${plan.saes[i]!.recipe.lr} is too high`,
    )
  }
}

/** All that decides the bytes of the result. */
function runConfig(options: TrainOptions, plan: RunPlan, n_steps: number): RunConfig {
  return {
    data_hash: options.source.hash,
    seed: options.seed,
    batch_size: options.batch_size,
    n_steps,
    kernels: plan.variant,
    saes: plan.saes.map(({ spec, d_in, n_shards, recipe }) => ({
      ...spec,
      d_in,
      n_shards,
      recipe,
    })),
  }
}

function manifest(options: TrainOptions, config: RunConfig, sae: SaePlan): Record<string, unknown> {
  return {
    ...options.model_metadata,
    training: {
      ...config,
      saes: undefined,
      config_hash: createHash('sha256').update(JSON.stringify(config)).digest('hex'),
      n_tokens: Number(config.n_steps) * options.batch_size,
      l0_target: sae.spec.l0,
      input_norm: options.source.norm(sae.spec.hook),
      n_shards: sae.n_shards,
      recipe: sae.recipe,
    },
  }
}

function siteBatch(
  batch: TrainingBatch,
  hooks: readonly TrainOptions['saes'][number]['hook'][],
  batch_size: number,
): Float32Array[] {
  if (batch.n_tokens !== batch_size) {
    throw new RangeError(
      `train: the source gave a batch of ${batch.n_tokens} tokens, expected ${batch_size}`,
    )
  }
  return hooks.map((hook) => batch.acts.get(hook)!)
}

/** One SAE out of its shards, unpadded and folded. */
function assemble(
  plan: RunPlan,
  sae: number,
  state: EngineState,
  norm: number,
  metadata: Record<string, unknown>,
): Sae {
  const { spec, d_in, n_shards } = plan.saes[sae]!
  const d = padded(d_in)
  const W_enc_rows = new Float32Array(spec.d_sae * d_in)
  const W_dec = new Float32Array(spec.d_sae * d_in)
  const b_enc = new Float32Array(spec.d_sae)
  const threshold = new Float32Array(spec.d_sae)
  const ranges = shardRanges(spec.d_sae, n_shards)
  for (const snapshot of state.shards.filter((shard) => shard.sae === sae)) {
    const { first, width } = ranges[snapshot.shard]!
    const from = snapshot.state
    b_enc.set(from.b_enc, first)
    threshold.set(from.threshold, first)
    for (let i = 0; i < width; i++) {
      const row = i * d
      W_enc_rows.set(from.W_enc.subarray(row, row + d_in), (first + i) * d_in)
      W_dec.set(from.W_dec.subarray(row, row + d_in), (first + i) * d_in)
    }
  }
  const b_dec = state.biases[sae]!.b_dec.slice(0, d_in)
  return {
    architecture: 'jumprelu',
    hook_name: spec.hook,
    d_in,
    d_sae: spec.d_sae,
    ...foldScale({ W_enc_rows, b_enc, W_dec, b_dec, threshold }, norm),
    metadata,
  }
}
