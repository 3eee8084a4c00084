/** The engine's state as the oracle's parameters. */
import type { RunPlan } from '../control.ts'
import { outputRange, padded } from '../ranges.ts'
import type { EngineState, ShardState } from '../state.ts'
import { auxShares } from './auxK.ts'
import { type OracleLoss, type OracleParameters, type OracleSae, zerosLike } from './types.ts'

/** Names of the engine's second moments that are not `v_` and the parameter. */
const MOMENTS: Readonly<Record<string, string>> = {
  W_enc: 'v_enc',
  W_dec: 'v_dec',
  W_skip: 'v_skip',
}

/** SAE `sae` of a run, gathered from its shards. */
export async function oracleOf(
  plan: RunPlan,
  sae: number,
  { biases, shard: read }: EngineState,
): Promise<OracleSae> {
  const { spec, d_in, d_out, ranges, recipe } = plan.saes[sae]!
  const { d_sae } = spec
  const { architecture, skip } = recipe
  const transcoder = spec.hook_out !== undefined
  const per_latent = (has: boolean) => new Float64Array(has ? d_sae : 0)
  const parameters: OracleParameters = {
    W_enc: new Float64Array(d_sae * d_in),
    W_dec: new Float64Array(d_sae * d_out),
    b_enc: new Float64Array(d_sae),
    b_dec: new Float64Array(d_out),
    threshold: per_latent(architecture === 'jumprelu'),
    r_mag: per_latent(architecture === 'gated'),
    b_mag: per_latent(architecture === 'gated'),
    W_skip: new Float64Array(transcoder && skip ? d_in * d_out : 0),
  }
  const v = zerosLike(parameters)
  parameters.b_dec.set(biases[sae]!.b_dec.subarray(0, d_out))
  v.b_dec.set(biases[sae]!.v_b_dec.subarray(0, d_out))
  for (const [shard, { first, width }] of ranges.entries()) {
    const state = await read(sae, shard)
    const outputs = outputRange(d_out, ranges.length, shard)
    for (const to of [parameters, v]) {
      const from = (name: keyof OracleParameters) =>
        (to === v ? state[(MOMENTS[name] ?? `v_${name}`) as 'v_enc'] : state[name as 'W_enc'])!
      for (const name of ['b_enc', 'threshold', 'r_mag', 'b_mag'] as const)
        if (to[name].length > 0) to[name].set(from(name), first)
      for (const [name, d] of [
        ['W_enc', d_in],
        ['W_dec', d_out],
      ] as const)
        for (let i = 0; i < width; i++) {
          const at = i * padded(d)
          to[name].set(from(name).subarray(at, at + d), (first + i) * d)
        }
      // A shard holds the skip's columns of some outputs, each as a row.
      if (to.W_skip.length > 0)
        for (let o = 0; o < outputs.width; o++)
          for (let k = 0; k < d_in; k++)
            to.W_skip[k * d_out + outputs.first + o] = from('W_skip')[o * padded(d_in) + k]!
    }
  }
  return { architecture, d_in, d_out, d_sae, transcoder, parameters, v }
}

/** A state that outlives its engine. */
export async function copyOf({ saes }: RunPlan, state: EngineState): Promise<EngineState> {
  const shards: ShardState[][] = []
  for (const [sae, { ranges }] of saes.entries()) {
    shards.push([])
    for (const shard of ranges.keys()) shards[sae]!.push(await state.shard(sae, shard))
  }
  return { ...state, shard: async (sae, shard) => shards[sae]![shard]! }
}

/** Every term of the loss as the run has it, at a lambda. */
export function lossOf(
  { saes }: RunPlan,
  sae: number,
  lambda: number,
  dead: readonly boolean[],
): OracleLoss {
  const { spec, recipe, ranges } = saes[sae]!
  const last = (i: number) => ranges[i + 1]?.group !== ranges[i]!.group
  return {
    ...{ l0_target: spec.l0, lambda, dead, sparsity: recipe.sparsity },
    bandwidth: Math.fround(recipe.bandwidth),
    pre_act_weight: recipe.pre_act_weight,
    frequency: { weight: recipe.frequency_weight, knee: recipe.frequency_knee },
    aux: { weight: recipe.aux_weight, shares: auxShares(ranges, recipe.aux_k) },
    prefixes: ranges.filter((_, i) => last(i)).map(({ first, width }) => first + width),
  }
}
