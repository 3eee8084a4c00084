/** A finished SAE out of its shards: unpadded, its encoder as it is saved, scale and bias folded. */
import type { Sae } from '../sae/index.ts'
import { ARCHITECTURES } from './architectures/index.ts'
import type { SaePlan } from './control.ts'
import { foldScale } from './fold.ts'
import { outputRange, padded } from './ranges.ts'
import type { EngineState, ShardState } from './state.ts'

/** @param sae its place in the run. */
export async function assemble(
  plan: SaePlan,
  sae: number,
  state: EngineState,
  metadata: Record<string, unknown>,
): Promise<Sae> {
  const { spec, d_in, d_out, ranges, recipe, scale } = plan
  const { d_sae, hook_out } = spec
  const [stride, stride_out] = [padded(d_in), padded(d_out)]
  const { name, gated, selection, save } = ARCHITECTURES[recipe.architecture]
  const rows = {
    W_enc: new Float32Array(d_sae * d_in),
    b_enc: new Float32Array(d_sae),
    threshold: new Float32Array(d_sae),
    r_mag: new Float32Array(gated ? d_sae : 0),
    b_mag: new Float32Array(gated ? d_sae : 0),
  }
  const W_dec = new Float32Array(d_sae * d_out)
  const W_skip = new Float32Array(recipe.skip ? d_in * d_out : 0)
  for (const [shard, { first, width }] of ranges.entries()) {
    const from: ShardState = await state.shard(sae, shard)
    for (const key of ['b_enc', 'threshold', 'r_mag', 'b_mag'] as const)
      if (from[key]) rows[key].set(from[key], first)
    for (let i = 0; i < width; i++) {
      rows.W_enc.set(from.W_enc!.subarray(i * stride).subarray(0, d_in), (first + i) * d_in)
      W_dec.set(from.W_dec!.subarray(i * stride_out).subarray(0, d_out), (first + i) * d_out)
    }
    const outputs = outputRange(d_out, ranges.length, shard)
    for (let o = 0; from.W_skip && o < outputs.width; o++)
      for (let k = 0; k < d_in; k++)
        W_skip[k * d_out + outputs.first + o] = from.W_skip[o * stride + k]!
  }
  const b_dec = state.biases[sae]!.b_dec.slice(0, d_out)
  const { least_sum, least_weight } = state.scalars[sae]!
  const saved = save(rows, least_weight > 0 ? least_sum / least_weight : 0)
  return {
    architecture: saved.architecture,
    hook_name: spec.hook,
    d_in,
    d_sae,
    ...foldScale({ ...saved, W_dec, b_dec }, 1 / scale, { input_bias: hook_out === undefined }),
    ...(selection === 'token' ? { k: Math.round(spec.l0) } : {}),
    ...(hook_out === undefined
      ? {}
      : {
          transcoder: { hook_name_out: hook_out, d_out, ...(recipe.skip ? { W_skip } : {}) },
        }),
    metadata: { ...metadata, trained_as: name },
  }
}
