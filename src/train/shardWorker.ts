/** A worker thread: owns some shards of every SAE and does what the coordinator's signals say. */
import { parentPort, workerData } from 'node:worker_threads'
import {
  barrier,
  COMMANDS,
  INPUTS,
  nextCommand,
  OUTPUTS,
  type RunPlan,
  reportDone,
  type SaePlan,
  type SharedState,
  shardOwner,
} from './control.ts'
import { HISTOGRAM_BINS, histogramBin, initialiseRows } from './initialise.ts'
import { sparsitySlope } from './schedules.ts'
import { padded, SaeSlice, type ShardRange, shardRanges } from './slice.ts'
import { SHARD_STATE, type ShardSnapshot, type ShardState } from './state.ts'

export type WorkerInput = {
  readonly plan: RunPlan
  readonly shared: SharedState
  readonly thread: number
  /** State to take up; absent at the start of a run. */
  readonly restored: readonly ShardSnapshot[] | undefined
}
export type WorkerMessage = { readonly snapshot: ShardSnapshot }

/** The shards of one SAE that this thread owns. */
type Owned = {
  readonly plan: SaePlan
  readonly sae: number
  readonly numbers: readonly number[]
  readonly ranges: readonly ShardRange[]
  readonly slice: SaeSlice
  /** Per slot and shard of the SAE, this thread's own or not [batch_size, padded d]. */
  readonly partials: readonly (readonly Float32Array[])[]
}

async function main({ plan, shared, thread, restored }: WorkerInput): Promise<void> {
  const owned: (Owned | undefined)[] = []
  for (const [sae, saePlan] of plan.saes.entries()) {
    const ranges = shardRanges(saePlan.spec.d_sae, saePlan.n_shards)
    const numbers = ranges.map((_, i) => i).filter((i) => shardOwner(plan, sae, i) === thread)
    if (numbers.length === 0) {
      owned.push(undefined)
      continue
    }
    const { recipe } = saePlan
    const slice = await SaeSlice.open({
      d_in: saePlan.d_in,
      batch_size: plan.batch_size,
      shards: numbers.map((i) => ranges[i]!),
      bandwidth: recipe.bandwidth,
      beta2: recipe.beta2,
      adam_eps: recipe.adam_eps,
      dead_steps: Math.ceil(recipe.dead_window_tokens / plan.batch_size),
      pre_act_weight: recipe.pre_act_weight,
      variant: plan.variant,
    })
    for (const { sae: of, shard, state } of restored ?? []) {
      const k = of === sae ? numbers.indexOf(shard) : -1
      if (k >= 0) for (const name of SHARD_STATE) slice.shards[k]!.arrays[name].set(state[name])
    }
    slice.refresh()
    const length = plan.batch_size * padded(saePlan.d_in)
    const partials = shared.partials.map((slot) =>
      slot.slice(0, saePlan.n_shards).map((partial) => partial.subarray(0, length)),
    )
    owned.push({ plan: saePlan, sae, numbers, ranges, slice, partials })
  }

  let seen = 0
  /** SAEs worked on so far: its parity says which of the two slots of partial reconstructions is theirs. */
  let turn = 0
  for (;;) {
    const { sequence, command, slot } = nextCommand(shared.signals, seen)
    seen = sequence
    if (command === COMMANDS.exit) break
    for (const [sae, mine] of owned.entries()) {
      if (command === COMMANDS.step) await step(plan, shared, sae, mine, slot, turn++)
      else if (!mine) continue
      else if (command === COMMANDS.initialise) await initialise(plan, shared, mine, slot)
      else if (command === COMMANDS.setThreshold) setThreshold(shared, mine)
      else if (command === COMMANDS.snapshot) postSnapshots(mine)
    }
    reportDone(shared.signals)
  }
  for (const mine of owned) await mine?.slice.close()
}

/** One step of one SAE; every thread takes part in the barrier, shards or none. */
async function step(
  plan: RunPlan,
  shared: SharedState,
  sae: number,
  mine: Owned | undefined,
  slot: number,
  turn: number,
): Promise<void> {
  const { inputs, outputs, counts, b_dec, g_b_dec } = shared.saes[sae]!
  const { spec, scale, site, n_shards } = plan.saes[sae]!
  if (mine) {
    mine.slice.load(shared.x[slot]![site]!, scale, b_dec)
    for (const [k, shard] of mine.numbers.entries()) {
      counts[shard * 2] = await mine.slice.forward(k)
      mine.partials[turn % 2]![shard]!.set(mine.slice.partial)
    }
  }
  barrier(shared.signals, plan.n_threads)
  if (!mine) return
  const { slice, numbers } = mine
  slice.setResidual(mine.partials[turn % 2]!)
  if (numbers[0] === 0) {
    const mean = g_b_dec[n_shards]!
    outputs[OUTPUTS.mse] = slice.residualMoments(mean)
    for (let i = 0; i < mean.length; i++) mean[i]! *= 2
    outputs[OUTPUTS.variance] = slice.variance()
  }
  let n_active = 0
  for (let i = 0; i < n_shards; i++) n_active += counts[i * 2]!
  const scalars = {
    lr: inputs[INPUTS.lr]!,
    lr_threshold: inputs[INPUTS.lr_threshold]!,
    sparsity_slope: sparsitySlope(n_active / plan.batch_size, spec.l0, inputs[INPUTS.lambda]!),
    t: inputs[INPUTS.t]!,
  }
  for (const [k, shard] of numbers.entries()) {
    slice.update(k, scalars)
    g_b_dec[shard]!.set(slice.shards[k]!.arrays.g_b_dec)
    counts[shard * 2 + 1] = slice.shards[k]!.get('n_dead')
  }
  if (numbers[0] === 0) outputs[OUTPUTS.gemm_ms] = slice.gemm_ms
}

/** First weights, and the histogram of pre-activations by which the coordinator sets the first threshold. */
async function initialise(
  plan: RunPlan,
  shared: SharedState,
  mine: Owned,
  slot: number,
): Promise<void> {
  const { slice, sae, numbers, ranges } = mine
  const { d_in, scale, site } = mine.plan
  slice.load(shared.x[slot]![site]!, scale, shared.saes[sae]!.b_dec)
  const counts = new Int32Array(HISTOGRAM_BINS)
  for (const [k, shard] of numbers.entries()) {
    const { first, width } = ranges[shard]!
    const d = padded(d_in)
    initialiseRows(slice.shards[k]!.arrays, { d, d_in, first, width, seed: plan.seed, sae })
    await slice.preActs(k, (_, m, pre) => {
      for (let i = 0; i < m * width; i++) if (pre[i]! > 0) counts[histogramBin(pre[i]!)]!++
    })
  }
  const { histogram } = shared.saes[sae]!
  for (let i = 0; i < counts.length; i++) Atomics.add(histogram, i, counts[i]!)
}

function setThreshold(shared: SharedState, { slice, sae }: Owned): void {
  for (const { arrays } of slice.shards)
    arrays.threshold.fill(shared.saes[sae]!.inputs[INPUTS.threshold]!)
  slice.refresh()
}

function postSnapshots({ slice, sae, numbers }: Owned): void {
  for (const [k, shard] of numbers.entries()) {
    const arrays = slice.shards[k]!.arrays
    const state = Object.fromEntries(
      SHARD_STATE.map((name) => [name, arrays[name].slice()]),
    ) as ShardState
    const message: WorkerMessage = { snapshot: { sae, shard, state } }
    parentPort!.postMessage(
      message,
      SHARD_STATE.map((name) => state[name].buffer as ArrayBuffer),
    )
  }
}

if (parentPort) await main(workerData as WorkerInput)
