/** What of a run must survive it: what a checkpoint holds. */

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
type ShardArrayName = (typeof SHARD_STATE)[number]

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

/** Everything that the next step depends on, besides the plan and the data. */
export type EngineState = {
  readonly shards: readonly ShardSnapshot[]
  readonly biases: readonly BiasState[]
  readonly scalars: readonly ScalarState[]
}
