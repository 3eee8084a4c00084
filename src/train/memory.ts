/** How much memory a training takes, from the same plans by which it is laid out. */
import { ARCHITECTURES } from './architectures/index.ts'
import { type RunPlan, type SaePlan, sharedSizes } from './control.ts'
import { MemoryPlan } from './kernels/shard.ts'
import { planSlice } from './layout.ts'
import { planRun } from './plan.ts'
import { MOST_PROPOSED } from './proposal.ts'
import { shardSizes } from './state.ts'
import type { TrainOptions } from './types.ts'

/** Bytes of one run. */
export type TrainingMemory = {
  /** Weights and optimiser: what a checkpoint holds, too. */
  readonly state_bytes: number
  /** Everything at once: also the arrays of a batch, its entries, and what threads share. */
  readonly total_bytes: number
}

/**
 * Memory of a training while it runs. Room for entries is counted as far as it is used: by what the first thresholds let
 * through, or by what each shard proposes.
 * @throws as `train` for what cannot be trained.
 */
export function trainingMemory(
  options: Pick<TrainOptions, 'saes' | 'batch_size' | 'n_tokens' | 'threads' | 'recipe'> & {
    readonly source: Pick<TrainOptions['source'], 'hooks' | 'width'>
  },
): TrainingMemory {
  const n_steps = Math.floor(options.n_tokens / options.batch_size)
  const source = { ...options.source, norm: () => 1 }
  const plan = planRun({ ...options, source, seed: 0 }, n_steps)
  const state_bytes = plan.saes.reduce((sum, sae) => sum + stateBytes(sae), 0)
  return { state_bytes, total_bytes: slicesBytes(plan) + sharedBytes(plan) }
}

function stateBytes(sae: SaePlan): number {
  const sizes = [...sae.ranges.keys()].flatMap((shard) => shardSizes(sae, shard))
  return 4 * sizes.reduce((sum, [, size]) => sum + size, 0)
}

/** Memories of all slices, less the room for entries that stays untouched. */
function slicesBytes({ saes, batch_size, n_threads, variant }: RunPlan): number {
  let bytes = 0
  for (const { spec, d_in, d_out, ranges, owners, recipe } of saes) {
    for (let thread = 0; thread < n_threads; thread++) {
      const owned = owners.flatMap((owner, i) => (owner === thread ? [i] : []))
      if (owned.length === 0) continue
      const memory = new MemoryPlan()
      const { shards } = planSlice(memory, {
        ...{
          d_in,
          d_out,
          batch_size,
          d_sae: spec.d_sae,
          l0: spec.l0,
          ranges,
          owned,
          recipe,
          variant,
        },
        transcoder: spec.hook_out !== undefined,
      })
      bytes += memory.size_bytes
      for (const { sizes } of shards) {
        const { width, capacity, aux_capacity, gated_width } = sizes
        const used = Math.min(capacity, entriesOf(spec, recipe, width) * batch_size)
        // A place, a token and two values an entry; gates twice as well.
        bytes -= (capacity - used) * (gated_width > 0 ? 24 : 16) + aux_capacity * 16
      }
    }
  }
  return bytes
}

/**
 * Latents that the 8-bit product proposes for one that is active: 1.8 on a residual stream of a 5M-parameter model, 3.1 on random
 * inputs 2,304 wide; never more than `MOST_PROPOSED` of them.
 */
const PROPOSED = 2

/** Entries a token in one shard, at most, as far as they can be foreseen. */
function entriesOf(spec: SaePlan['spec'], recipe: SaePlan['recipe'], width: number): number {
  if (ARCHITECTURES[recipe.architecture].selection === 'token') return Math.min(width, spec.l0)
  const active = (spec.l0 * recipe.init_l0 * width) / spec.d_sae
  return Math.max(active, Math.min(PROPOSED * active, MOST_PROPOSED * width))
}

function sharedBytes(plan: RunPlan): number {
  const { n_slots, n_shards, sites, partial, has_aux, skip, top, bins } = sharedSizes(plan)
  const inputs = 2 * sites.reduce((sum, size) => sum + size, 0)
  const partials = n_slots * n_shards * partial * (has_aux ? 2 : 1)
  return 4 * (inputs + partials + n_slots * skip + n_shards * top + 2 * bins + plan.batch_size)
}
