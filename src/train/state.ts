/** What of a run must survive it: what a checkpoint holds. */
import { ARCHITECTURES } from './architectures/index.ts'
import type { SaePlan } from './control.ts'
import { outputRange, padded } from './ranges.ts'

/** What a shard remembers from step to step; rows are padded. Empty arrays are left out. */
export const SHARD_STATE = [
  'W_enc',
  'W_dec',
  'v_enc',
  'v_dec',
  'b_enc',
  'v_b_enc',
  'threshold',
  'v_threshold',
  'r_mag',
  'v_r_mag',
  'b_mag',
  'v_b_mag',
  'silent',
  'W_skip',
  'v_skip',
] as const
export type ShardArrayName = (typeof SHARD_STATE)[number]

export type ShardState = Partial<Record<ShardArrayName, Float32Array | Int32Array>>

/** A shard's state with its place in the suite. */
export type ShardSnapshot = {
  readonly sae: number
  readonly shard: number
  readonly state: ShardState
}

/** What the coordinator itself remembers of an SAE. [padded d_out] each. */
export type BiasState = { readonly b_dec: Float32Array; readonly v_b_dec: Float32Array }

/** Numbers that the coordinator carries from step to step. */
export type ScalarState = {
  /** What an entry had to reach in the last batch, where the choice is by batch. */
  readonly least: number
  /** Its running mean, `sum / weight`. */
  readonly least_sum: number
  readonly least_weight: number
}

/** Everything that the next step depends on, besides the plan and the data; shards come one at a time, since they are large. */
export type EngineState = {
  readonly biases: readonly BiasState[]
  readonly scalars: readonly ScalarState[]
  shard(sae: number, shard: number): Promise<ShardState>
}

/** Floats, or integers, of everything that a shard remembers. */
export function shardSizes(
  { d_in, d_out, ranges, recipe }: SaePlan,
  shard: number,
): [ShardArrayName, number][] {
  const { width } = ranges[shard]!
  const { gated } = ARCHITECTURES[recipe.architecture]
  const skip = recipe.skip ? outputRange(d_out, ranges.length, shard).width * padded(d_in) : 0
  return SHARD_STATE.flatMap((name): [ShardArrayName, number][] => {
    const size = sizeOf(name)
    return size > 0 ? [[name, size]] : []
  })

  function sizeOf(name: ShardArrayName): number {
    switch (name) {
      case 'W_enc':
      case 'v_enc':
        return width * padded(d_in)
      case 'W_dec':
      case 'v_dec':
        return width * padded(d_out)
      case 'b_enc':
      case 'v_b_enc':
      case 'threshold':
      case 'v_threshold':
      case 'silent':
        return width
      case 'r_mag':
      case 'v_r_mag':
      case 'b_mag':
      case 'v_b_mag':
        return gated ? width : 0
      case 'W_skip':
      case 'v_skip':
        return skip
      default:
        return name satisfies never
    }
  }
}
