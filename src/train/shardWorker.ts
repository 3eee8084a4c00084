/** A worker thread: owns some shards of every SAE and does what the coordinator's signals say. */
import { parentPort, workerData } from 'node:worker_threads'
import { ARCHITECTURES } from './architectures/index.ts'
import { openState } from './checkpoint.ts'
import {
  barrier,
  COMMANDS,
  COUNTS,
  INPUTS,
  nextCommand,
  OUTPUTS,
  type RunPlan,
  reportDone,
  type SaePlan,
  type SharedState,
  shardNumber,
} from './control.ts'
import { HISTOGRAM_BINS, histogramBin, initialiseRows } from './initialise.ts'
import { padded } from './ranges.ts'
import { prices } from './schedules.ts'
import { binOfLargest, countLower, countUpper, floatOf, leastOfTop, shareTop } from './selection.ts'
import { SaeSlice } from './slice.ts'
import { SHARD_STATE, type ShardArrayName, type ShardSnapshot, type ShardState } from './state.ts'

export type WorkerInput = {
  readonly plan: RunPlan
  readonly shared: SharedState
  readonly thread: number
  /** Checkpoint to take up; absent at the start of a run. */
  readonly restored: string | undefined
}
export type WorkerMessage = { readonly snapshot: ShardSnapshot }

/** The shards of one SAE that this thread owns. */
type Owned = { readonly numbers: readonly number[]; readonly slice: SaeSlice }

/** One SAE at work: what every thread needs to take part, shards or none. */
type Work = {
  readonly run: RunPlan
  readonly shared: SharedState
  readonly thread: number
  readonly plan: SaePlan
  readonly sae: number
  readonly mine: Owned | undefined
  /** Which of the two batches is worked on. */
  readonly slot: number
  /** Which set of partial reconstructions is this SAE's. */
  readonly turn: number
}

async function main({ plan: run, shared, thread, restored }: WorkerInput): Promise<void> {
  const owned: (Owned | undefined)[] = []
  const state = restored === undefined ? undefined : await openState(restored, run.saes)
  for (const [sae, plan] of run.saes.entries()) {
    const mine = await openOwned(run, thread, plan)
    if (mine && state) await restore(mine, shared.saes[sae]!.counts, (i) => state.shard(sae, i))
    owned.push(mine)
  }
  await state?.close()

  let seen = 0
  let turn = 0
  for (;;) {
    const { sequence, command, slot } = nextCommand(shared.signals, seen)
    seen = sequence
    if (command === COMMANDS.exit) break
    for (const [sae, mine] of owned.entries()) {
      const { inputs } = shared.saes[sae]!
      if (inputs[INPUTS.failed] === 1 && command !== COMMANDS.snapshot) continue
      const plan = run.saes[sae]!
      const work: Work = { run, shared, thread, plan, sae, mine, slot, turn }
      if (command === COMMANDS.step) {
        await step(work)
        turn = (turn + 1) % shared.partials.length
      } else if (mine && command === COMMANDS.initialise) await initialise(work, mine)
      else if (mine && command === COMMANDS.setThreshold) setThreshold(work, mine)
      else if (mine && command === COMMANDS.snapshot) postSnapshot(work, mine)
    }
    reportDone(shared.signals)
  }
  for (const mine of owned) await mine?.slice.close()
}

async function openOwned(
  run: RunPlan,
  thread: number,
  { spec, ranges, owners, recipe, d_in, d_out }: SaePlan,
): Promise<Owned | undefined> {
  const numbers = owners.flatMap((owner, i) => (owner === thread ? [i] : []))
  if (numbers.length === 0) return undefined
  const slice = await SaeSlice.open({
    ...{ d_in, d_out, batch_size: run.batch_size, d_sae: spec.d_sae, l0: spec.l0 },
    ...{ ranges, owned: numbers, recipe, variant: run.variant },
    transcoder: spec.hook_out !== undefined,
  })
  return { numbers, slice }
}

/** Fills a thread's shards of one SAE from a checkpoint. */
async function restore(
  { numbers, slice }: Owned,
  counts: Int32Array,
  read: (shard: number) => Promise<ShardState>,
): Promise<void> {
  for (const [k, shard] of numbers.entries()) {
    const arrays = stateArrays(slice, k)
    for (const [name, values] of Object.entries(await read(shard)))
      arrays[name as ShardArrayName].set(values)
    const dead_steps = slice.shards[k]!.get('dead_steps')
    const n_dead = slice.shards[k]!.arrays.silent.filter((steps) => steps >= dead_steps).length
    counts[shard * 2 + COUNTS.n_dead] = n_dead
  }
  slice.refresh()
}

/** One step of one SAE; every thread takes part in the barriers, shards or none. */
async function step(work: Work): Promise<void> {
  const { run, shared, plan, sae, mine, slot, turn } = work
  const { inputs, outputs, counts, paid, b_dec, g_b_dec } = shared.saes[sae]!
  const { ranges, recipe, scale, site, site_out, spec } = plan
  const architecture = ARCHITECTURES[recipe.architecture]
  const n_shards = ranges.length
  const aux = architecture.aux && recipe.aux_weight > 0 && total(counts, COUNTS.n_dead) > 0
  const x = shared.x[slot]!

  mine?.slice.load(x[site]!, x[site_out]!, scale, b_dec)
  await select(work, aux)
  const partials = shared.partials[turn]!.slice(0, n_shards).map(cut(plan, run))
  const partials_aux =
    aux || architecture.gated
      ? shared.partials_aux[turn]!.slice(0, n_shards).map(cut(plan, run))
      : undefined
  const skip = recipe.skip ? cut(plan, run)(shared.skips[turn]!) : undefined
  if (mine) {
    for (const [k, shard] of mine.numbers.entries()) {
      const decoded = mine.slice.decode(k)
      counts[shard * 2 + COUNTS.n_active] = decoded.n_active
      paid[shard] = decoded.paid
      partials[shard]!.set(mine.slice.partial)
      if (partials_aux) {
        const gates = mine.slice.decodeAux(k)
        if (architecture.gated) paid[shard] = gates
        partials_aux[shard]!.set(mine.slice.partial)
      }
      if (skip) await mine.slice.skipForward(k, skip)
    }
  }
  barrier(shared.signals, run.n_threads)
  if (!mine) return
  const { slice, numbers } = mine
  if (numbers[0] === 0) outputs[OUTPUTS.variance] = slice.variance()
  slice.setResiduals(partials, skip)
  if (partials_aux) slice.setAuxResidual(partials_aux)
  if (numbers[0] === 0) {
    const mean = g_b_dec[n_shards]!
    outputs[OUTPUTS.mse] = slice.residualMoments(mean)
    for (let i = 0; i < mean.length; i++) mean[i]! *= 2
    outputs[OUTPUTS.aux] = partials_aux ? slice.auxLoss() : 0
  }
  const l0 = total(counts, COUNTS.n_active) / run.batch_size
  const scalars = {
    lr: inputs[INPUTS.lr]!,
    lr_threshold: inputs[INPUTS.lr_threshold]!,
    ...prices(recipe, { l0, l0_target: spec.l0, lambda: inputs[INPUTS.lambda]! }),
    t: inputs[INPUTS.t]!,
  }
  for (const [k, shard] of numbers.entries()) {
    await slice.update(k, scalars)
    const view = slice.shards[k]!
    if (spec.hook_out === undefined) g_b_dec[shard]!.set(view.arrays.g_b_dec)
    counts[shard * 2 + COUNTS.n_dead] = view.get('n_dead')
  }
  if (numbers[0] === 0) outputs[OUTPUTS.gemm_ms] = slice.gemm_ms
}

/** Gathers the entries of this thread's shards and, where their number decides, agrees with the others on which are kept. */
async function select(work: Work, aux: boolean): Promise<void> {
  const { shared, plan, sae, mine } = work
  const { inputs } = shared.saes[sae]!
  const gather = async (guess: number) => {
    for (const k of mine?.numbers.keys() ?? []) await mine!.slice.select(k, { guess, aux })
  }
  switch (ARCHITECTURES[plan.recipe.architecture].selection) {
    case 'threshold':
      return gather(0)
    case 'token':
      await gather(0)
      return selectByToken(work)
    case 'batch':
      for (let guess = inputs[INPUTS.guess]!; ; guess = guess > 1e-3 ? guess / 4 : 0) {
        await gather(guess)
        if (selectByBatch(work, guess === 0)) return
      }
  }
}

function selectByToken({ run, shared, thread, plan, mine }: Work): void {
  const k = Math.round(plan.spec.l0)
  const size = run.batch_size * k
  const top = shared.top.slice(0, plan.ranges.length).map((largest) => largest.subarray(0, size))
  for (const [i, shard] of (mine?.numbers ?? []).entries())
    shareTop(mine!.slice.shards[i]!.arrays, k, top[shard]!)
  barrier(shared.signals, run.n_threads)
  const border = (i: number) => Math.floor((run.batch_size * i) / run.n_threads)
  leastOfTop(top, k, [border(thread), border(thread + 1)], shared.least)
  barrier(shared.signals, run.n_threads)
  if (!mine) return
  mine.slice.least.set(shared.least)
  for (const i of mine.numbers.keys()) mine.slice.keep(i)
}

/** @param last whatever there is suffices. @returns false where the guess let too few through. */
function selectByBatch({ run, shared, thread, plan, sae, mine }: Work, last: boolean): boolean {
  const [upper, lower] = shared.histograms
  const entries = mine?.slice.shards.map(({ arrays, sizes }) =>
    arrays.value.subarray(0, arrays.row_start[sizes.n]!),
  )
  const meet = () => barrier(shared.signals, run.n_threads)
  for (const values of entries ?? []) countUpper(values, upper)
  meet()
  const k = Math.round(plan.spec.l0 * run.batch_size)
  const above = binOfLargest(upper, k)
  if (!above) {
    // All have read before one clears, and it is clear before any counts again.
    meet()
    if (thread === 0) upper.fill(0)
    meet()
    if (last && mine?.numbers[0] === 0) shared.saes[sae]!.outputs[OUTPUTS.least] = 0
    return last
  }
  for (const values of entries ?? []) countLower(values, above.bin, lower)
  meet()
  const within = binOfLargest(lower, k - above.above)!
  const least = floatOf(above.bin, within.bin)
  if (mine) {
    mine.slice.least.fill(least)
    for (const i of mine.numbers.keys()) mine.slice.keep(i)
    if (mine.numbers[0] === 0) shared.saes[sae]!.outputs[OUTPUTS.least] = least
  }
  meet()
  if (thread === 0) {
    upper.fill(0)
    lower.fill(0)
  }
  meet()
  return true
}

/** First weights, and the histogram of pre-activations by which the coordinator sets the first threshold. */
async function initialise(work: Work, { slice, numbers }: Owned): Promise<void> {
  const { run, shared, plan, sae, slot } = work
  const { d_in, d_out, scale, site, site_out, ranges, spec } = plan
  const x = shared.x[slot]!
  slice.load(x[site]!, x[site_out]!, scale, shared.saes[sae]!.b_dec)
  const counts = new Int32Array(HISTOGRAM_BINS)
  for (const [k, shard] of numbers.entries()) {
    const { first, width } = ranges[shard]!
    initialiseRows(slice.shards[k]!.arrays, { d_in, d_out, first, width, seed: run.seed, spec })
    await slice.preActs(k, (_, m, pre) => {
      for (let i = 0; i < m * width; i++) if (pre[i]! > 0) counts[histogramBin(pre[i]!)]!++
    })
  }
  const { histogram } = shared.saes[sae]!
  for (let i = 0; i < counts.length; i++) Atomics.add(histogram, i, counts[i]!)
}

/** The first threshold: learned from there on, or as a bias that is taken off, or none. */
function setThreshold({ shared, plan, sae }: Work, { slice }: Owned): void {
  const threshold = shared.saes[sae]!.inputs[INPUTS.threshold]!
  const { selection, learns_threshold, gated } = ARCHITECTURES[plan.recipe.architecture]
  for (const { arrays } of slice.shards) {
    if (learns_threshold) arrays.threshold.fill(threshold)
    else if (selection === 'threshold') arrays.b_enc.fill(-threshold)
    if (gated) arrays.b_mag.fill(-threshold)
  }
  slice.refresh()
}

/** Sends a copy of the shard that the slot names, if it is this thread's. */
function postSnapshot({ run, sae, slot }: Work, { slice, numbers }: Owned): void {
  for (const [k, shard] of numbers.entries()) {
    if (shardNumber(run, sae, shard) !== slot) continue
    const arrays = stateArrays(slice, k)
    const state: ShardState = Object.fromEntries(
      SHARD_STATE.filter((name) => arrays[name].length > 0).map((name) => [
        name,
        arrays[name].slice(),
      ]),
    )
    const message: WorkerMessage = { snapshot: { sae, shard, state } }
    parentPort!.postMessage(
      message,
      Object.values(state).map(({ buffer }) => buffer as ArrayBuffer),
    )
  }
}

/** Views of everything that shard k of a slice remembers. */
function stateArrays(slice: SaeSlice, k: number): Required<ShardState> {
  const skip = slice.skips[k]
  const none = new Float32Array(0)
  return { ...slice.shards[k]!.arrays, W_skip: skip?.W ?? none, v_skip: skip?.v ?? none }
}

/** The part of a shared array that an SAE of this width uses. */
const cut =
  ({ d_out }: SaePlan, { batch_size }: RunPlan) =>
  (array: Float32Array): Float32Array =>
    array.subarray(0, batch_size * padded(d_out))

function total(counts: Int32Array, which: number): number {
  let sum = 0
  for (let i = which; i < counts.length; i += 2) sum += counts[i]!
  return sum
}

if (parentPort) await main(workerData as WorkerInput)
