/**
 * The coordinator of a run: starts the worker threads, gives them a batch a step, and steps b_dec, which belongs to no shard.
 * Its waits are asynchronous, so it may live on a thread that has other work.
 *
 * A step of the suite, SAE by SAE: (1) every thread encodes the batch with its shards and writes their partial
 * reconstructions; (2) a barrier; (3) every thread sums them in the order of the shards, so that the sum does not depend
 * on timing, and steps its latents. When all SAEs are through, the coordinator steps every b_dec.
 */
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import {
  allDone,
  allocateShared,
  type Command,
  INPUTS,
  OUTPUTS,
  type RunPlan,
  type SharedState,
  sendCommand,
  shardOwner,
  wakeCoordinator,
} from './control.ts'
import { thresholdFor } from './initialise.ts'
import type { WorkerInput, WorkerMessage } from './shardWorker.ts'
import { padded } from './slice.ts'
import type { BiasState, EngineState, ShardSnapshot } from './state.ts'

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
  /** Mean of `||x - recon||^2`. */
  readonly mse: number
  /** Mean of `||x - mean x||^2`. */
  readonly variance: number
  readonly l0: number
  /** Share of latents silent for the dead window. */
  readonly dead: number
}

export class Engine {
  readonly plan: RunPlan
  readonly #shared: SharedState
  readonly #workers: readonly Worker[]
  readonly #v_b_dec: readonly Float32Array[]
  readonly #snapshots: ShardSnapshot[] = []
  #failure: Error | undefined
  /** Steps taken. */
  #t: number

  private constructor(plan: RunPlan, restored?: { state: EngineState; step: number }) {
    this.plan = plan
    this.#shared = allocateShared(plan)
    this.#t = restored?.step ?? 0
    this.#v_b_dec = plan.saes.map(
      ({ d_in }, i) => restored?.state.biases[i]?.v_b_dec ?? new Float32Array(padded(d_in)),
    )
    for (const [i, { b_dec }] of (restored?.state.biases ?? []).entries())
      this.#shared.saes[i]!.b_dec.set(b_dec)
    this.#workers = Array.from({ length: plan.n_threads }, (_, thread) => {
      const input: WorkerInput = {
        plan,
        shared: this.#shared,
        thread,
        restored: restored?.state.shards.filter(
          ({ sae, shard }) => shardOwner(plan, sae, shard) === thread,
        ),
      }
      const worker = new Worker(workerUrl(), { workerData: input })
      worker.on('message', (message: WorkerMessage) => this.#snapshots.push(message.snapshot))
      worker.on('error', (error) => this.#fail(error))
      worker.on('exit', (code) => {
        if (code !== 0) this.#fail(new Error(`train: a worker thread ended with code ${code}`))
      })
      return worker
    })
  }

  /**
   * Starts a run from its first batch: rows from the seed, b_dec at the mean, thresholds by `init_l0`.
   * @param batch raw activations per site [batch_size, d_in].
   */
  static async start(plan: RunPlan, batch: readonly Float32Array[]): Promise<Engine> {
    const engine = new Engine(plan)
    try {
      engine.put(0, batch)
      for (const [i, { site, d_in, scale }] of plan.saes.entries())
        columnMeans(batch[site]!, d_in, scale, engine.#shared.saes[i]!.b_dec)
      await engine.#command('initialise', 0)
      for (const [i, { spec, recipe }] of plan.saes.entries()) {
        const { histogram, inputs } = engine.#shared.saes[i]!
        const threshold = thresholdFor(histogram, plan.batch_size, spec.l0 * recipe.init_l0)
        inputs[INPUTS.threshold] = Math.max(threshold, recipe.bandwidth)
      }
      await engine.#command('setThreshold', 0)
      return engine
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  /** Takes up a run where `state` left it, after `step` steps. */
  static resume(plan: RunPlan, state: EngineState, step: number): Engine {
    return new Engine(plan, { state, step })
  }

  /** Puts a batch, raw activations per site, into one of the two slots: while a step works on the other. */
  put(slot: number, batch: readonly Float32Array[]): void {
    for (const [site, x] of batch.entries()) this.#shared.x[slot]![site]!.set(x)
  }

  /** One step of every SAE on the batch in a slot. */
  async step(slot: number, inputs: readonly StepInput[]): Promise<StepOutput[]> {
    this.#t++
    for (const [i, { lr, lr_threshold, lambda }] of inputs.entries()) {
      const cells = this.#shared.saes[i]!.inputs
      cells[INPUTS.lr] = lr
      cells[INPUTS.lr_threshold] = lr_threshold
      cells[INPUTS.lambda] = lambda
      cells[INPUTS.t] = this.#t
    }
    await this.#command('step', slot)
    return this.plan.saes.map((sae, i) => {
      const { outputs, counts, b_dec, g_b_dec } = this.#shared.saes[i]!
      const { beta2, adam_eps } = sae.recipe
      adamOnSum(b_dec, this.#v_b_dec[i]!, g_b_dec, {
        lr: inputs[i]!.lr,
        beta2,
        adam_eps,
        t: this.#t,
      })
      let n_active = 0
      let n_dead = 0
      for (let shard = 0; shard < sae.n_shards; shard++) {
        n_active += counts[shard * 2]!
        n_dead += counts[shard * 2 + 1]!
      }
      return {
        mse: outputs[OUTPUTS.mse]!,
        variance: outputs[OUTPUTS.variance]!,
        l0: n_active / this.plan.batch_size,
        dead: n_dead / sae.spec.d_sae,
      }
    })
  }

  /** Milliseconds that the owners of shard 0 have spent in the encoder products, all SAEs together. */
  gemmMs(): number {
    return this.#shared.saes.reduce((sum, { outputs }) => sum + outputs[OUTPUTS.gemm_ms]!, 0)
  }

  /** A copy of the state between two steps. */
  async snapshot(): Promise<EngineState> {
    this.#snapshots.length = 0
    await this.#command('snapshot', 0)
    const n_shards = this.plan.saes.reduce((sum, sae) => sum + sae.n_shards, 0)
    // Messages may arrive after the signal that they were sent.
    while (this.#snapshots.length < n_shards && !this.#failure) await setTimeout(1)
    if (this.#failure) throw this.#failure
    const shards = this.#snapshots.splice(0).sort((a, b) => a.sae - b.sae || a.shard - b.shard)
    const biases: BiasState[] = this.plan.saes.map((_, i) => ({
      b_dec: Float32Array.from(this.#shared.saes[i]!.b_dec),
      v_b_dec: this.#v_b_dec[i]!.slice(),
    }))
    return { shards, biases }
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
