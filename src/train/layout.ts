/** Where everything of a slice lies in its WebAssembly memory; what memory a training takes is counted from it too. */
import { ARCHITECTURES } from './architectures/index.ts'
import type { ResolvedRecipe } from './config.ts'
import type { KernelVariant } from './kernels/load.ts'
import { type MemoryPlan, planShard, planShared } from './kernels/shard.ts'
import { proposalTokens } from './proposal.ts'
import { outputRange, padded, type ShardRange } from './ranges.ts'

/** Pre-activations held at a time: with the packed weights beside them, about what a core's cache holds. */
const PRE_BYTES = 2 ** 20
/** Entries a shard may have in a batch, where all of them (n * width) would need more memory than this. */
const MAX_ENTRIES = 2 ** 23

export type SliceOptions = {
  readonly d_in: number
  readonly d_out: number
  readonly batch_size: number
  /** Latents of the whole SAE, target L0, and the cut of the whole SAE. */
  readonly d_sae: number
  readonly l0: number
  readonly ranges: readonly ShardRange[]
  /** Which of `ranges` this thread owns. */
  readonly owned: readonly number[]
  /** Input and target are different sites. */
  readonly transcoder: boolean
  readonly recipe: ResolvedRecipe
  readonly variant: KernelVariant
}

/** Whether entries are told by thresholds known before the product. */
export const proposes = ({ recipe }: SliceOptions): boolean =>
  ARCHITECTURES[recipe.architecture].selection !== 'token'

/** Where everything of a slice lies in its memory. */
export function planSlice(plan: MemoryPlan, options: SliceOptions) {
  const { batch_size: n, recipe, ranges, owned, transcoder } = options
  const { gated, aux } = ARCHITECTURES[recipe.architecture]
  const [d, d_out] = [padded(options.d_in), padded(options.d_out)]
  const has_aux = gated || aux
  const n_groups = ranges.at(-1)!.group + 1
  const groups = new Set(owned.map((i) => ranges[i]!.group))
  // Measurements, b_dec and the skip see the first and the last group; AuxK the last.
  if (owned.includes(0) || aux) groups.add(n_groups - 1)
  if (owned.includes(0) || recipe.skip) groups.add(0)
  const common = { d, d_out, n, width: 0, capacity: 0 }
  const shared = planShared(plan, {
    ...common,
    aux_capacity: Number(aux),
    gated_width: Number(gated),
    rounded_width: Number(proposes(options)),
  })
  const residuals = new Map(
    [...groups].map((group, i) => [group, i === 0 ? shared.residual : plan.take(n * d_out)]),
  )
  const sumsOf = ({ width }: ShardRange) => proposalTokens(n, width) * width
  const fixed = {
    shared,
    residuals,
    has_aux,
    target: transcoder ? plan.take(n * d_out) : shared.x,
    partial: plan.take(n * d_out),
    least: plan.take(n),
    b_in: plan.take(d),
    b_out: plan.take(d_out),
    mean: plan.take(Math.max(d, d_out)),
    sums: plan.take(proposes(options) ? Math.max(...owned.map((i) => sumsOf(ranges[i]!))) : 0),
  }
  const shards = owned.map((i) => {
    const range = ranges[i]!
    const { width } = range
    const sizes = {
      ...common,
      width,
      capacity: Math.min(n * width, MAX_ENTRIES) + width,
      aux_capacity: aux ? Math.min(n * width, MAX_ENTRIES) + width : 0,
      gated_width: gated ? width : 0,
      rounded_width: proposes(options) ? width : 0,
    }
    const chunk = Math.min(n, Math.max(16, Math.floor(PRE_BYTES / 4 / width / 16) * 16))
    const outputs = outputRange(options.d_out, ranges.length, i)
    const skip =
      recipe.skip && outputs.width > 0
        ? {
            ...outputs,
            W: plan.take(outputs.width * d),
            v: plan.take(outputs.width * d),
            g: plan.take(outputs.width * d),
            columns: plan.take(outputs.width * n),
          }
        : undefined
    return {
      range,
      sizes,
      chunk,
      skip,
      own: planShard(plan, sizes),
      pre_at: plan.take(chunk * width),
    }
  })
  return { ...fixed, shards }
}
