/**
 * What the threads of a run share, and how they wait for each other. Numbers cross in SharedArrayBuffers, signals by
 * Atomics; messages carry only snapshots and failures.
 */
import { ARCHITECTURES } from './architectures/index.ts'
import type { ResolvedRecipe, SaeSpec } from './config.ts'
import { HISTOGRAM_BINS } from './initialise.ts'
import type { KernelVariant } from './kernels/load.ts'
import { padded, type ShardRange } from './ranges.ts'
import { SELECTION_BINS } from './selection.ts'

/** What the workers are told to do next. */
export const COMMANDS = {
  ready: 1,
  initialise: 2,
  setThreshold: 3,
  step: 4,
  snapshot: 5,
  exit: 6,
} as const
export type Command = keyof typeof COMMANDS

const SIGNAL = { sequence: 0, command: 1, slot: 2, arrived: 3, generation: 4, done: 5 } as const

/** Per SAE, written by the coordinator before a step. */
export const INPUTS = {
  lr: 0,
  lr_threshold: 1,
  lambda: 2,
  t: 3,
  threshold: 4,
  guess: 5,
  failed: 6,
} as const
/** Per SAE, written by the owner of shard 0. */
export const OUTPUTS = { mse: 0, variance: 1, aux: 2, least: 3, gemm_ms: 4 } as const
/** Per shard. */
export const COUNTS = { n_active: 0, n_dead: 1 } as const

/** One SAE of a run as every thread knows it. */
export type SaePlan = {
  readonly spec: SaeSpec
  readonly d_in: number
  readonly d_out: number
  /** 1 / norm of the input site's raw activations. */
  readonly scale: number
  /** Indices into `x`: where it reads, and what it reconstructs. */
  readonly site: number
  readonly site_out: number
  readonly ranges: readonly ShardRange[]
  /** The thread that owns each shard. */
  readonly owners: readonly number[]
  readonly recipe: ResolvedRecipe
}

export type RunPlan = {
  readonly batch_size: number
  readonly seed: number
  readonly n_threads: number
  readonly variant: KernelVariant
  readonly saes: readonly SaePlan[]
}

/** A shard's number among all of the run. */
export function shardNumber({ saes }: RunPlan, sae: number, shard: number): number {
  return saes.slice(0, sae).reduce((n, { ranges }) => n + ranges.length, shard)
}

/** Memory that all threads see. */
export type SharedState = {
  readonly signals: Int32Array<SharedArrayBuffer>
  /** Per slot and site [batch_size, d], raw. Two slots: one in use, one being filled. */
  readonly x: readonly (readonly Float32Array[])[]
  /** Per slot and shard [batch_size, padded d_out] of the SAE at work; SAEs take the slots in turn. */
  readonly partials: readonly (readonly Float32Array[])[]
  /** The same for the auxiliary reconstruction; empty where no architecture has one. */
  readonly partials_aux: readonly (readonly Float32Array[])[]
  /** Per slot [batch_size, padded d_out]: the skip of the SAE at work; empty where there is none. */
  readonly skips: readonly Float32Array[]
  /** Per shard [batch_size, k]: its largest pre_acts of each token; empty unless they are chosen by token. */
  readonly top: readonly Float32Array[]
  /** [batch_size]: what an entry must reach to be kept. */
  readonly least: Float32Array
  /** Upper and lower half of the bits of a batch's entries, counted. */
  readonly histograms: readonly [Int32Array, Int32Array]
  /** Per SAE. */
  readonly saes: readonly {
    readonly inputs: Float64Array
    readonly outputs: Float64Array
    /** [n_shards, COUNTS] */
    readonly counts: Int32Array
    /** [n_shards]: sum of the activations that are paid for. */
    readonly paid: Float64Array
    readonly b_dec: Float32Array
    /** Per shard, then of the residual: summands [padded d_out] of the gradient of b_dec. */
    readonly g_b_dec: readonly Float32Array[]
    /** [HISTOGRAM_BINS] */
    readonly histogram: Int32Array
  }[]
}

/** Sizes in floats of what `allocateShared` makes, for the plan of memory too. */
export function sharedSizes({ saes, batch_size }: RunPlan) {
  const sites = new Map<number, number>()
  for (const { site, d_in, site_out, d_out } of saes) sites.set(site, d_in).set(site_out, d_out)
  const has = (test: (plan: SaePlan) => boolean) => saes.some(test)
  const widest = Math.max(...saes.map(({ d_out }) => padded(d_out)))
  const n_shards = Math.max(...saes.map(({ ranges }) => ranges.length))
  const byToken = saes.filter(
    ({ recipe }) => ARCHITECTURES[recipe.architecture].selection === 'token',
  )
  const k = Math.max(0, ...byToken.map(({ spec }) => Math.round(spec.l0)))
  return {
    n_slots: saes.length > 1 ? 2 : 1,
    n_shards,
    sites: [...sites].sort((a, b) => a[0] - b[0]).map(([, d]) => batch_size * d),
    partial: batch_size * widest,
    has_aux: has(({ recipe }) => {
      const { aux, gated } = ARCHITECTURES[recipe.architecture]
      return aux || gated
    }),
    skip: has(({ recipe }) => recipe.skip) ? batch_size * widest : 0,
    top: batch_size * k,
    bins: has(({ recipe }) => ARCHITECTURES[recipe.architecture].selection === 'batch')
      ? SELECTION_BINS
      : 0,
  }
}

export function allocateShared(plan: RunPlan): SharedState {
  const floats = (n: number) => new Float32Array(new SharedArrayBuffer(n * 4))
  const ints = (n: number) => new Int32Array(new SharedArrayBuffer(n * 4))
  const doubles = (n: number) => new Float64Array(new SharedArrayBuffer(n * 8))
  const sizes = sharedSizes(plan)
  const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make)
  const partials = () =>
    times(sizes.n_slots, () => times(sizes.n_shards, () => floats(sizes.partial)))
  return {
    signals: ints(8),
    x: times(2, () => sizes.sites.map(floats)),
    partials: partials(),
    partials_aux: sizes.has_aux ? partials() : [],
    skips: sizes.skip > 0 ? times(sizes.n_slots, () => floats(sizes.skip)) : [],
    top: sizes.top > 0 ? times(sizes.n_shards, () => floats(sizes.top)) : [],
    least: floats(plan.batch_size),
    histograms: [ints(sizes.bins), ints(sizes.bins)],
    saes: plan.saes.map(({ ranges, d_out }) => ({
      inputs: doubles(Object.keys(INPUTS).length),
      outputs: doubles(Object.keys(OUTPUTS).length),
      counts: ints(ranges.length * 2),
      paid: doubles(ranges.length),
      b_dec: floats(padded(d_out)),
      g_b_dec: times(ranges.length + 1, () => floats(padded(d_out))),
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
