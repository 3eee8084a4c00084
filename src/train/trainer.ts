/**
 * `train`: every SAE of a suite from one pass over the batches.
 *
 * (1) Settle the recipe of each SAE. (2) Take up the newest checkpoint, or initialise from the first batch. (3) Step:
 * while the workers compute, fetch the next batch; measure, checkpoint, listen for the abort signal; an SAE whose loss is no
 * longer finite stops alone. (4) Checkpoint once more, fold scale and bias, save each SAE with the manifest of the run,
 * remove the checkpoints.
 */
import { createHash } from 'node:crypto'
import type { TrainingBatch } from '../activations/index.ts'
import { saveSae } from '../sae/disk.ts'
import { saeFolder } from '../sae/index.ts'
import { assemble } from './assemble.ts'
import {
  type Carried,
  type Checkpoint,
  openState,
  type RunConfig,
  readCheckpoint,
  removeCheckpoints,
  writeCheckpoint,
} from './checkpoint.ts'
import type { RunPlan, SaePlan } from './control.ts'
import { Engine, type StepInput, type StepOutput } from './engine.ts'
import { TrainingStopped } from './errors.ts'
import { type Failures, findFailures, forgetFailure, recordFailure } from './failures.ts'
import { Meter } from './meter.ts'
import { planRun, runConfig, sitesOf } from './plan.ts'
import { type Followed, followL0, followsL0, lambdaAt, lrFactor } from './schedules.ts'
import type { TrainOptions, TrainPoint, TrainResult } from './types.ts'

/**
 * Trains every SAE on the same batches and saves them, taking up a checkpoint in `out` by itself. The same source, seed,
 * recipe and shards give the same bytes, whatever the number of threads, however often the run was interrupted, and whatever
 * other SAEs are trained with it.
 * @throws TrainingStopped when `signal` aborts: after the current step, with a checkpoint written. RangeError if nothing
 *   is asked for, a site is not in the source, a checkpoint of another configuration lies in `out`, or every SAE failed.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const n_steps = Math.floor(options.n_tokens / options.batch_size)
  const plan = planRun(options, n_steps)
  const config = runConfig(options, plan, n_steps)
  const started_ms = performance.now()
  const checkpoint = await readCheckpoint(options.out, config)
  const run = new Run(options, plan, config, n_steps, checkpoint)
  const batches = openBatches(options, run.first)
  try {
    await run.begin(batches)
    while (run.step < n_steps) await run.advance(batches)
    const saes = await run.save()
    const n_tokens = n_steps * options.batch_size
    return { n_steps, n_tokens, wall_ms: performance.now() - started_ms, saes }
  } finally {
    await run.close()
    await batches.close()
  }
}

/** A run under way. */
class Run {
  /** Steps taken before this call, and by now. */
  readonly first: number
  step: number
  readonly #options: TrainOptions
  readonly #plan: RunPlan
  readonly #config: RunConfig
  readonly #n_steps: number
  /** The newest. */
  #checkpoint: Checkpoint | undefined
  readonly #meter: Meter
  readonly #followed: Followed[]
  #failures: Failures
  #engine: Engine | undefined
  /** Which of the engine's two batches is next. */
  #slot = 0
  #last: readonly TrainPoint[] = []

  constructor(
    options: TrainOptions,
    plan: RunPlan,
    config: RunConfig,
    n_steps: number,
    checkpoint: Checkpoint | undefined,
  ) {
    this.#options = options
    this.#plan = plan
    this.#config = config
    this.#n_steps = n_steps
    this.#checkpoint = checkpoint
    this.first = checkpoint?.step ?? 0
    this.step = this.first
    this.#meter = new Meter(plan, n_steps, this.first, checkpoint?.window)
    this.#followed = [
      ...(checkpoint?.followed ??
        plan.saes.map(({ recipe }) => ({ lambda: recipe.lambda, off: 0 }))),
    ]
    this.#failures = checkpoint?.failures ?? {}
  }

  /** Starts the engine with the first batch; where no step is left, none is needed. */
  async begin(batches: Batches): Promise<void> {
    if (this.step === this.#n_steps) return
    const batch = await batches.next()
    const checkpoint = this.#checkpoint
    this.#engine = checkpoint
      ? await Engine.resume(this.#plan, checkpoint)
      : await Engine.start(this.#plan, batch)
    for (const sae of Object.keys(this.#failures)) this.#engine.drop(Number(sae))
    this.#engine.put(this.#slot, batch)
  }

  /** One step, and the fetching of the next batch meanwhile. */
  async advance(batches: Batches): Promise<void> {
    const { signal, hold, onPoint } = this.#options
    const engine = this.#engine!
    const held = hold?.()
    if (held) {
      const since_ms = performance.now()
      await held
      this.#meter.leaveOut(performance.now() - since_ms)
    }
    const inputs = this.#plan.saes.map((sae, i) => this.#input(sae, i))
    const other = 1 - this.#slot
    const running = engine.step(this.#slot, inputs)
    const isLast = this.step + 1 === this.#n_steps
    const fetching = isLast ? undefined : batches.next().then((batch) => engine.put(other, batch))
    const [outputs] = await Promise.all([running, fetching])
    this.#slot = other
    this.step++
    await this.#dropFailed(outputs)
    for (const [i, { l0 }] of outputs.entries())
      this.#followed[i] = followL0(this.#followed[i]!, l0, this.#plan.saes[i]!.spec.l0)
    const progress = this.#meter.add(this.step, outputs, inputs, this.#failures)
    if (progress) {
      this.#last = progress.points
      onPoint?.(progress)
    }
    // The last step is followed by one too: SAEs are made from it, and saving them may fail without costing the run.
    const stop = signal?.aborted === true && !isLast
    const { checkpoint_every_steps } = this.#plan.saes[0]!.recipe
    if (!stop && !isLast && this.step % checkpoint_every_steps !== 0) return
    this.#checkpoint = await this.#writeCheckpoint()
    if (stop) throw new TrainingStopped(this.#checkpoint.path, this.step, this.#n_steps)
  }

  /** Saves what was trained, from the last checkpoint, and removes the checkpoints. */
  async save(): Promise<TrainResult['saes']> {
    await this.close()
    const { out, source } = this.#options
    const state = await openState(this.#checkpoint!.path, this.#plan.saes)
    const saes: TrainResult['saes'][number][] = []
    try {
      for (const [i, plan] of this.#plan.saes.entries()) {
        const { spec } = plan
        const folder = saeFolder(out, spec.hook, spec.d_sae, spec.l0)
        const last = this.#last.find(
          ({ hook, d_sae, l0_target }) =>
            hook === spec.hook && d_sae === spec.d_sae && l0_target === spec.l0,
        )
        const failed = this.#failures[i]
        if (!failed) {
          const metadata = manifest(this.#options, this.#config, plan, source.norm(spec.hook))
          const sae = await assemble(plan, i, state, metadata)
          await saveSae(folder, sae)
          // Given back at once: nothing tells the garbage collector to hurry, and the next one is as large.
          for (const { buffer } of [sae.W_enc, sae.W_dec]) (buffer as ArrayBuffer).transfer(0)
          await forgetFailure(folder)
        }
        saes.push({ spec, folder, last, ...(failed ? { failed } : {}) })
      }
    } finally {
      await state.close()
    }
    await removeCheckpoints(out)
    return saes
  }

  async close(): Promise<void> {
    await this.#engine?.close()
    this.#engine = undefined
  }

  #input({ recipe }: SaePlan, i: number): StepInput {
    const factor = lrFactor(this.step, this.#n_steps, recipe)
    return {
      lr: recipe.lr * factor,
      lr_threshold: recipe.lr_threshold * factor,
      lambda: followsL0(recipe) ? this.#followed[i]!.lambda : lambdaAt(this.step, recipe),
    }
  }

  async #dropFailed(outputs: readonly StepOutput[]): Promise<void> {
    const { out } = this.#options
    for (const { sae, reason } of findFailures(this.#plan, outputs, this.#failures)) {
      const failure = { sae, step: this.step, reason }
      const noted = await recordFailure(out, this.#config, this.#plan, failure)
      this.#failures = { ...this.#failures, [sae]: noted }
      this.#engine!.drop(sae)
    }
    const failures = Object.values(this.#failures)
    if (failures.length < this.#plan.saes.length) return
    throw new RangeError(`train: ${failures[0]!.reason} (step ${this.step})`)
  }

  async #writeCheckpoint(): Promise<Checkpoint> {
    const { step } = this
    const [config, plan, state] = [this.#config, this.#plan, this.#engine!.state()]
    const carried: Carried = {
      followed: this.#followed,
      failures: this.#failures,
      window: this.#meter.window(),
    }
    const path = await writeCheckpoint(this.#options.out, { step, config, plan, state }, carried)
    return { path, step, ...carried }
  }
}

/** Batches as the engine takes them: raw activations per site. */
type Batches = { next(): Promise<Float32Array[]>; close(): Promise<void> }

function openBatches({ source, saes, batch_size, seed }: TrainOptions, first: number): Batches {
  const sites = sitesOf(saes)
  const batches = source.batches({ batch_size, seed, first_batch: first })[Symbol.asyncIterator]()
  return {
    async next() {
      const { value, done } = await batches.next()
      if (done) throw new RangeError('train: the source of activations ended; it must be endless')
      const { n_tokens, acts }: TrainingBatch = value
      if (n_tokens !== batch_size) {
        throw new RangeError(
          `train: the source gave a batch of ${n_tokens} tokens, expected ${batch_size}`,
        )
      }
      return sites.map((site) => acts.get(site)!)
    },
    async close() {
      await batches.return?.()
    },
  }
}

function manifest(
  options: TrainOptions,
  config: RunConfig,
  { spec, ranges, recipe }: SaePlan,
  input_norm: number,
): Record<string, unknown> {
  return {
    ...options.model_metadata,
    training: {
      ...config,
      saes: undefined,
      config_hash: createHash('sha256')
        .update(JSON.stringify({ ...config, saes: [spec, recipe] }))
        .digest('hex'),
      n_tokens: Number(config.n_steps) * options.batch_size,
      l0_target: spec.l0,
      input_norm,
      n_shards: ranges.length,
      recipe,
    },
  }
}
