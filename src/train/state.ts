/** What of a run must survive it: the tensors that a checkpoint holds. */

/** What a shard remembers from step to step; rows are padded. */
export const SHARD_STATE = [
  'W_enc',
  'W_dec',
  'v_enc',
  'v_dec',
  'b_enc',
  'v_b_enc',
  'threshold',
  'v_threshold',
  'silent',
] as const

export type ShardState = Record<(typeof SHARD_STATE)[number], Float32Array | Int32Array>

/** A shard's state with its place in the suite. */
export type ShardSnapshot = {
  readonly sae: number
  readonly shard: number
  readonly state: ShardState
}

/** What the coordinator itself remembers of an SAE. [padded d_in] each. */
export type BiasState = { readonly b_dec: Float32Array; readonly v_b_dec: Float32Array }

/** Everything that the next step depends on, besides the plan and the data. */
export type EngineState = {
  readonly shards: readonly ShardSnapshot[]
  readonly biases: readonly BiasState[]
}
