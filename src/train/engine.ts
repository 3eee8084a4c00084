/**
 * The coordinator of a run: starts the worker threads, gives them a batch a step, and steps b_dec, which belongs to no shard.
 * Its waits are asynchronous, so it may live on a thread that has other work.
 *
 * A step of the suite, SAE by SAE: (1) every thread encodes the batch with its shards, agrees with the others on what is
 * active where that is a matter of number, and writes its shards' partial reconstructions; (2) a barrier; (3) every thread
 * sums them in the order of the shards, so that the sum does not depend on timing, and steps its latents. When all SAEs are
 * through, the coordinator steps every b_dec.
 */
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { ARCHITECTURES } from './architectures/index.ts'
import { openState } from './checkpoint.ts'
import {
  allDone,
  allocateShared,
  COUNTS,
  type Command,
  INPUTS,
  OUTPUTS,
  type RunPlan,
  type SharedState,
  sendCommand,
  shardNumber,
  wakeCoordinator,
} from './control.ts'
import { thresholdFor } from './initialise.ts'
import { padded } from './ranges.ts'
import type { WorkerInput, WorkerMessage } from './shardWorker.ts'
import type { BiasState, EngineState, ScalarState, ShardSnapshot } from './state.ts'

/** Of the last batch's least kept activation: what the next scan lets through, so that there is enough to choose from. */
const GUESS = 0.7
/** Decay of the running mean of a batch's least kept activation. */
const LEAST_DECAY = 0.99

/** How long threads may take to end by themselves. */
const EXIT_MS = 10_000

/** Learning rates and sparsity of one SAE at one step. */
export type StepInput = {
  readonly lr: number
  readonly lr_threshold: number
  readonly lambda: number
}

/** What one SAE's step measured, before the update. */
export type StepOutput = {
  /** Mean of `||y - recon||^2`. */
  readonly mse: number
  /** Mean of `||y - mean y||^2`. */
  readonly variance: number
  /** Mean of the squared norm of the auxiliary residual, without its weight; 0 where there is none. */
  readonly aux: number
  readonly l0: number
  /** Mean over tokens of the sum of the activations that are paid for. */
  readonly mean_act: number
  /** Share of latents silent for the dead window. */
  readonly dead: number
}

/** Where a run is taken up. */
type Restored = Pick<EngineState, 'biases' | 'scalars'> & {
  readonly path: string
  readonly step: number
}

export class Engine {
  readonly plan: RunPlan
  readonly #shared: SharedState
  readonly #workers: readonly Worker[]
  readonly #v_b_dec: readonly Float32Array[]
  readonly #scalars: ScalarState[]
  /** Waits for the shard that was asked for. */
  #arrived: (snapshot: ShardSnapshot) => void = () => {}
  #failure: Error | undefined
  /** Steps taken. */
  #t: number

  private constructor(plan: RunPlan, restored?: Restored) {
    this.plan = plan
    this.#shared = allocateShared(plan)
    this.#t = restored?.step ?? 0
    this.#v_b_dec = plan.saes.map(
      ({ d_out }, i) => restored?.biases[i]?.v_b_dec ?? new Float32Array(padded(d_out)),
    )
    this.#scalars = plan.saes.map(
      (_, i) => restored?.scalars[i] ?? { least: 0, least_sum: 0, least_weight: 0 },
    )
    for (const [i, { b_dec }] of (restored?.biases ?? []).entries())
      this.#shared.saes[i]!.b_dec.set(b_dec)
    this.#workers = Array.from({ length: plan.n_threads }, (_, thread) => {
      const input: WorkerInput = { plan, shared: this.#shared, thread, restored: restored?.path }
      const worker = new Worker(workerUrl(), { workerData: input })
      worker.on('message', (message: WorkerMessage) => this.#arrived(message.snapshot))
      worker.on('error', (error) => this.#fail(error))
      worker.on('exit', (code) => {
        if (code !== 0) this.#fail(new Error(`train: a worker thread ended with code ${code}`))
      })
      return worker
    })
  }

  /**
   * Starts a run from its first batch: rows from the seed, b_dec at the target's mean, thresholds by `init_l0`.
   * @param batch raw activations per site [batch_size, d_in].
   */
  static async start(plan: RunPlan, batch: readonly Float32Array[]): Promise<Engine> {
    const engine = new Engine(plan)
    try {
      engine.put(0, batch)
      for (const [i, { site_out, d_out, scale }] of plan.saes.entries())
        columnMeans(batch[site_out]!, d_out, scale, engine.#shared.saes[i]!.b_dec)
      await engine.#command('initialise', 0)
      for (const [i, { spec, recipe }] of plan.saes.entries()) {
        const { histogram, inputs } = engine.#shared.saes[i]!
        const threshold = thresholdFor(histogram, plan.batch_size, spec.l0 * recipe.init_l0)
        inputs[INPUTS.threshold] = Math.max(threshold, recipe.bandwidth)
        engine.#scalars[i] = { least: threshold, least_sum: 0, least_weight: 0 }
      }
      await engine.#command('setThreshold', 0)
      return engine
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  /** Takes up a run where a checkpoint left it, after `step` steps; every thread reads its own shards. */
  static async resume(
    plan: RunPlan,
    { path, step }: { readonly path: string; readonly step: number },
  ): Promise<Engine> {
    const { biases, scalars, close } = await openState(path, plan.saes)
    await close()
    const engine = new Engine(plan, { path, step, biases, scalars })
    try {
      await engine.#command('ready', 0)
      return engine
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  /** Leaves an SAE out of all further steps; its state stays as it is. */
  drop(sae: number): void {
    this.#shared.saes[sae]!.inputs[INPUTS.failed] = 1
  }

  /** Puts a batch, raw activations per site, into one of the two slots: while a step works on the other. */
  put(slot: number, batch: readonly Float32Array[]): void {
    for (const [site, x] of batch.entries()) this.#shared.x[slot]![site]!.set(x)
  }

  /** One step of every SAE on the batch in a slot; what a dropped one gives means nothing. */
  async step(slot: number, inputs: readonly StepInput[]): Promise<StepOutput[]> {
    this.#t++
    for (const [i, { lr, lr_threshold, lambda }] of inputs.entries()) {
      const cells = this.#shared.saes[i]!.inputs
      cells[INPUTS.lr] = lr
      cells[INPUTS.lr_threshold] = lr_threshold
      cells[INPUTS.lambda] = lambda
      cells[INPUTS.t] = this.#t
      cells[INPUTS.guess] = GUESS * this.#scalars[i]!.least
    }
    await this.#command('step', slot)
    return this.plan.saes.map((sae, i) => {
      const { inputs: cells, outputs, counts, paid, b_dec, g_b_dec } = this.#shared.saes[i]!
      const { beta2, adam_eps } = sae.recipe
      if (cells[INPUTS.failed] !== 1) {
        const step = { lr: inputs[i]!.lr, beta2, adam_eps, t: this.#t }
        adamOnSum(b_dec, this.#v_b_dec[i]!, g_b_dec, step)
        this.#meanLeast(i, outputs[OUTPUTS.least]!)
      }
      const count = (which: number) =>
        sae.ranges.reduce((sum, _, shard) => sum + counts[shard * 2 + which]!, 0)
      return {
        mse: outputs[OUTPUTS.mse]!,
        variance: outputs[OUTPUTS.variance]!,
        aux: outputs[OUTPUTS.aux]!,
        l0: count(COUNTS.n_active) / this.plan.batch_size,
        mean_act: paid.reduce((sum, v) => sum + v, 0) / this.plan.batch_size,
        dead: count(COUNTS.n_dead) / sae.spec.d_sae,
      }
    })
  }

  /** Takes in what an entry had to reach in this batch, where the choice was by batch. */
  #meanLeast(sae: number, least: number): void {
    if (ARCHITECTURES[this.plan.saes[sae]!.recipe.architecture].selection !== 'batch') return
    const { least_sum, least_weight } = this.#scalars[sae]!
    this.#scalars[sae] = {
      least,
      least_sum: LEAST_DECAY * least_sum + (1 - LEAST_DECAY) * least,
      least_weight: LEAST_DECAY * least_weight + (1 - LEAST_DECAY),
    }
  }

  /** Milliseconds that the owners of shard 0 have spent in the encoder products, all SAEs together. */
  gemmMs(): number {
    return this.#shared.saes.reduce((sum, { outputs }) => sum + outputs[OUTPUTS.gemm_ms]!, 0)
  }

  /** The state between two steps: numbers as copies, shards when they are asked for, one at a time. */
  state(): EngineState {
    return {
      biases: this.plan.saes.map(
        (_, i): BiasState => ({
          b_dec: Float32Array.from(this.#shared.saes[i]!.b_dec),
          v_b_dec: this.#v_b_dec[i]!.slice(),
        }),
      ),
      scalars: [...this.#scalars],
      shard: async (sae, shard) => {
        const { promise, resolve } = Promise.withResolvers<ShardSnapshot>()
        this.#arrived = resolve
        await this.#command('snapshot', shardNumber(this.plan, sae, shard))
        return (await promise).state
      },
    }
  }

  /**
   * Ends the threads. They are left to end by themselves: one that is terminated while ONNX Runtime lets go of a session
   * takes the whole process with it. Only after a failure, when they may wait for each other, are they cut off.
   */
  async close(): Promise<void> {
    if (!this.#failure) {
      const running = this.#workers.filter(({ threadId }) => threadId >= 0)
      const ended = running.map((worker) => new Promise((resolve) => worker.once('exit', resolve)))
      sendCommand(this.#shared.signals, 'exit', 0)
      await Promise.race([Promise.all(ended), setTimeout(EXIT_MS, undefined, { ref: false })])
    }
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }

  async #command(command: Command, slot: number): Promise<void> {
    sendCommand(this.#shared.signals, command, slot)
    await allDone(this.#shared.signals, this.plan.n_threads, () => !!this.#failure)
    if (this.#failure) throw this.#failure
  }

  #fail(error: Error): void {
    this.#failure ??= error
    wakeCoordinator(this.#shared.signals)
  }
}

/** The worker's file, source or built. */
function workerUrl(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./shardWorker.${extension}`, import.meta.url)
}

/** Means of the columns of `scale * x` [n, d_in] into `mean` [at least d_in]. */
function columnMeans(x: Float32Array, d_in: number, scale: number, mean: Float32Array): void {
  const sums = new Float64Array(d_in)
  for (let i = 0; i < x.length; i += d_in) for (let k = 0; k < d_in; k++) sums[k]! += x[i + k]!
  for (let k = 0; k < d_in; k++) mean[k] = (sums[k]! * scale * d_in) / x.length
}

/** Adam without first moment on the sum of gradient summands. */
function adamOnSum(
  w: Float32Array,
  v: Float32Array,
  summands: readonly Float32Array[],
  { lr, beta2, adam_eps, t }: { lr: number; beta2: number; adam_eps: number; t: number },
): void {
  const correction = 1 / Math.sqrt(1 - beta2 ** t)
  for (let k = 0; k < w.length; k++) {
    let g = 0
    for (const summand of summands) g += summand[k]!
    v[k] = beta2 * v[k]! + (1 - beta2) * g * g
    w[k]! -= (lr * g) / (Math.sqrt(v[k]!) * correction + adam_eps)
  }
}
