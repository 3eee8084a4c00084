/**
 * What the threads of a run share, and how they wait for each other. Numbers cross in SharedArrayBuffers, signals by
 * Atomics; messages carry only snapshots and failures.
 */
import type { ResolvedRecipe, SaeSpec } from './config.ts'
import { HISTOGRAM_BINS } from './initialise.ts'
import type { KernelVariant } from './kernels/load.ts'
import { padded } from './slice.ts'

/** What the workers are told to do next. */
export const COMMANDS = { initialise: 1, setThreshold: 2, step: 3, snapshot: 4, exit: 5 } as const
export type Command = keyof typeof COMMANDS

const SIGNAL = { sequence: 0, command: 1, slot: 2, arrived: 3, generation: 4, done: 5 } as const

/** Per SAE, written by the coordinator before a step. */
export const INPUTS = { lr: 0, lr_threshold: 1, lambda: 2, t: 3, threshold: 4 } as const
/** Per SAE, written by the owner of shard 0. */
export const OUTPUTS = { mse: 0, variance: 1, gemm_ms: 2 } as const

/** One SAE of a run as every thread knows it. */
export type SaePlan = {
  readonly spec: SaeSpec
  readonly d_in: number
  /** 1 / norm of the site's raw activations. */
  readonly scale: number
  /** Index into `x`. */
  readonly site: number
  readonly n_shards: number
  readonly recipe: ResolvedRecipe
}

export type RunPlan = {
  readonly batch_size: number
  readonly seed: number
  readonly n_threads: number
  readonly variant: KernelVariant
  readonly saes: readonly SaePlan[]
}

/** The thread that owns a shard: neighbours in turn, the start moved from SAE to SAE so that odd shards spread. */
export function shardOwner(plan: RunPlan, sae: number, shard: number): number {
  return (shard + sae) % plan.n_threads
}

/** Memory that all threads see. */
export type SharedState = {
  readonly signals: Int32Array<SharedArrayBuffer>
  /** Per slot and site [batch_size, d_in], raw. Two slots: one in use, one being filled. */
  readonly x: readonly (readonly Float32Array[])[]
  /** Per slot and shard [batch_size, padded d] of the SAE at work; SAEs take the two slots in turn. */
  readonly partials: readonly (readonly Float32Array[])[]
  /** Per SAE. */
  readonly saes: readonly {
    readonly inputs: Float64Array
    readonly outputs: Float64Array
    /** [n_shards, 2]: active entries, dead latents. */
    readonly counts: Int32Array
    readonly b_dec: Float32Array
    /** Per shard, then of the residual: summands [padded d] of the gradient of b_dec. */
    readonly g_b_dec: readonly Float32Array[]
    /** [HISTOGRAM_BINS] */
    readonly histogram: Int32Array
  }[]
}

export function allocateShared(plan: RunPlan): SharedState {
  const { saes, batch_size } = plan
  const floats = (n: number) => new Float32Array(new SharedArrayBuffer(n * 4))
  const ints = (n: number) => new Int32Array(new SharedArrayBuffer(n * 4))
  const doubles = (n: number) => new Float64Array(new SharedArrayBuffer(n * 8))
  const sites = new Map(saes.map(({ site, d_in }) => [site, d_in]))
  const widest = Math.max(...saes.map(({ d_in }) => padded(d_in)))
  const n_shards = Math.max(...saes.map((sae) => sae.n_shards))
  const twice = <T>(make: () => T): T[] => [make(), make()]
  return {
    signals: ints(8),
    x: twice(() =>
      [...sites].sort((a, b) => a[0] - b[0]).map(([, d_in]) => floats(batch_size * d_in)),
    ),
    partials: twice(() => Array.from({ length: n_shards }, () => floats(batch_size * widest))),
    saes: saes.map((sae) => ({
      inputs: doubles(Object.keys(INPUTS).length),
      outputs: doubles(Object.keys(OUTPUTS).length),
      counts: ints(sae.n_shards * 2),
      b_dec: floats(padded(sae.d_in)),
      g_b_dec: Array.from({ length: sae.n_shards + 1 }, () => floats(padded(sae.d_in))),
      histogram: ints(HISTOGRAM_BINS),
    })),
  }
}

/** Tells every worker to begin; the answer is awaited by `allDone`. */
export function sendCommand(signals: Int32Array, command: Command, slot: number): void {
  Atomics.store(signals, SIGNAL.done, 0)
  Atomics.store(signals, SIGNAL.command, COMMANDS[command])
  Atomics.store(signals, SIGNAL.slot, slot)
  Atomics.add(signals, SIGNAL.sequence, 1)
  Atomics.notify(signals, SIGNAL.sequence)
}

/** Resolves, without blocking the event loop, when every worker has reported done; `failed` ends the wait early. */
export async function allDone(
  signals: Int32Array<SharedArrayBuffer>,
  n_threads: number,
  failed: () => boolean,
): Promise<void> {
  for (;;) {
    const done = Atomics.load(signals, SIGNAL.done)
    if (done === n_threads || failed()) return
    const wait = Atomics.waitAsync(signals, SIGNAL.done, done)
    if (wait.async) await wait.value
  }
}

/** Ends the coordinator's wait after a worker has failed. */
export function wakeCoordinator(signals: Int32Array): void {
  Atomics.store(signals, SIGNAL.done, -1)
  Atomics.notify(signals, SIGNAL.done)
}

export function reportDone(signals: Int32Array): void {
  Atomics.add(signals, SIGNAL.done, 1)
  Atomics.notify(signals, SIGNAL.done)
}

/** Blocks a worker until a command newer than `seen` is there. */
export function nextCommand(
  signals: Int32Array,
  seen: number,
): { sequence: number; command: number; slot: number } {
  Atomics.wait(signals, SIGNAL.sequence, seen)
  return {
    sequence: Atomics.load(signals, SIGNAL.sequence),
    command: Atomics.load(signals, SIGNAL.command),
    slot: Atomics.load(signals, SIGNAL.slot),
  }
}

/** Blocks a worker until all workers are here. */
export function barrier(signals: Int32Array, n_threads: number): void {
  const generation = Atomics.load(signals, SIGNAL.generation)
  if (Atomics.add(signals, SIGNAL.arrived, 1) === n_threads - 1) {
    Atomics.store(signals, SIGNAL.arrived, 0)
    Atomics.add(signals, SIGNAL.generation, 1)
    Atomics.notify(signals, SIGNAL.generation)
  } else {
    while (Atomics.load(signals, SIGNAL.generation) === generation)
      Atomics.wait(signals, SIGNAL.generation, generation)
  }
}
