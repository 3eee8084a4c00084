/** The engine against the f64 oracle. */
import { describe, expect, it } from 'vitest'
import { resolveRecipe } from './config.ts'
import type { RunPlan, SaePlan } from './control.ts'
import { Engine } from './engine.ts'
import { kernelVariant } from './kernels/load.ts'
import {
  type OracleLoss,
  type OracleParameters,
  type OracleSae,
  oracleForward,
  oracleGradients,
  oracleStep,
  zerosLike,
} from './oracle.ts'
import { plantedSource } from './planted.ts'
import { dealShards, padded, shardRanges } from './ranges.ts'
import type { EngineState } from './state.ts'

const HOOKS = ['blocks.0.hook_resid_post', 'blocks.1.hook_resid_post'] as const

/** Two SAEs of unequal width, three shards, on sites of 35 inputs. */
function smallPlan(n_threads: number, norm: number): RunPlan {
  const recipe = {
    ...{ shards: 3, bandwidth: 0.15, adam_eps: 1e-3, lr: 0.01, lr_threshold: 0.02 },
    ...{ dead_window_tokens: 40, pre_act_weight: 0 },
  }
  const sae = (site: 0 | 1, d_sae: number): SaePlan => ({
    spec: { hook: HOOKS[site], d_sae, l0: 3 },
    ...{ d_in: 35, d_out: 35, scale: 1 / norm, site, site_out: site },
    ranges: shardRanges(d_sae, 3),
    owners: dealShards(shardRanges(d_sae, 3), n_threads, site),
    recipe: resolveRecipe(recipe, { d_in: 35, d_sae, n_steps: 100, n_tokens: 2000 }),
  })
  return {
    batch_size: 20,
    seed: 9,
    n_threads,
    variant: kernelVariant(),
    saes: [sae(0, 61), sae(1, 40)],
  }
}

function toOracle(plan: RunPlan, sae: number, state: EngineState): OracleSae {
  const { d_in, spec, ranges } = plan.saes[sae]!
  const { d_sae } = spec
  const none = new Float64Array()
  const parameters: OracleParameters = {
    ...{ W_enc: new Float64Array(d_sae * d_in), W_dec: new Float64Array(d_sae * d_in) },
    ...{ b_enc: new Float64Array(d_sae), b_dec: new Float64Array(d_in) },
    ...{ threshold: new Float64Array(d_sae), r_mag: none, b_mag: none, W_skip: none },
  }
  const v = zerosLike(parameters)
  for (const { shard, state: from } of state.shards.filter((s) => s.sae === sae)) {
    const { first, width } = ranges[shard]!
    for (const [to, prefix] of [
      [parameters, ''],
      [v, 'v_'],
    ] as const) {
      for (const name of ['b_enc', 'threshold'] as const)
        to[name].set(from[`${prefix}${name}`]!, first)
      for (const [name, source] of [
        ['W_enc', prefix ? 'v_enc' : 'W_enc'],
        ['W_dec', prefix ? 'v_dec' : 'W_dec'],
      ] as const) {
        for (let i = 0; i < width; i++) {
          const at = i * padded(d_in)
          to[name].set(from[source]!.subarray(at, at + d_in), (first + i) * d_in)
        }
      }
    }
  }
  parameters.b_dec.set(state.biases[sae]!.b_dec.subarray(0, d_in))
  v.b_dec.set(state.biases[sae]!.v_b_dec.subarray(0, d_in))
  return { architecture: 'jumprelu', d_in, d_out: d_in, d_sae, transcoder: false, parameters, v }
}

describe('the engine', () => {
  it.each([1, 2])('takes the steps of the oracle on %i threads', async (n_threads) => {
    const source = plantedSource({ hooks: HOOKS, d_in: 35, n_features: 50, l0: 4, seed: 5 })
    const norm = source.norm(HOOKS[0])
    const plan = smallPlan(n_threads, norm)
    const batches = source.batches({ batch_size: 20, seed: 1 })[Symbol.asyncIterator]()
    const first = await nextBatch(batches)
    const engine = await Engine.start(plan, first)
    try {
      const oracles = await engine
        .snapshot()
        .then((s) => plan.saes.map((_, i) => toOracle(plan, i, s)))
      const lambda = 0.5
      for (let t = 1; t <= 4; t++) {
        const x = t === 1 ? first : await nextBatch(batches)
        engine.put(t % 2, x)
        const outputs = await engine.step(
          t % 2,
          plan.saes.map(() => ({ lr: 0.01, lr_threshold: 0.02, lambda })),
        )
        for (const [i, oracle] of oracles.entries()) {
          const { recipe, site, spec } = plan.saes[i]!
          const scaled = Float64Array.from(x[site]!, (v) => v / norm)
          const loss: OracleLoss = {
            ...{ l0_target: spec.l0, lambda, sparsity: 'target' },
            bandwidth: Math.fround(recipe.bandwidth),
          }
          const { mse, l0 } = oracleForward(oracle, { x: scaled }, loss)
          expect(outputs[i]!.mse).toBeCloseTo(mse, 4)
          expect(outputs[i]!.l0).toBe(l0)
          const g = oracleGradients(oracle, { x: scaled }, loss)
          oracleStep(oracle, g, { lr: 0.01, lr_threshold: 0.02, beta2: 0.999, adam_eps: 1e-3, t })
        }
      }
      const after = await engine.snapshot()
      for (const [i, oracle] of oracles.entries()) {
        const got = toOracle(plan, i, after)
        for (const [name, expected] of Object.entries(oracle.parameters)) {
          const actual = got.parameters[name as keyof OracleParameters]
          const worst = expected.reduce((most, v, j) => Math.max(most, Math.abs(v - actual[j]!)), 0)
          expect(worst, `sae ${i} ${name}`).toBeLessThan(1e-4)
        }
      }
    } finally {
      await engine.close()
    }
  })
})

it('passes on what fails in a worker thread', async () => {
  const source = plantedSource({ hooks: HOOKS, d_in: 35, n_features: 50, l0: 4, seed: 5 })
  const plan = smallPlan(2, source.norm(HOOKS[0]))
  const first = await nextBatch(source.batches({ batch_size: 20, seed: 1 })[Symbol.asyncIterator]())
  const engine = await Engine.start(plan, first)
  const state = await engine.snapshot().finally(() => engine.close())
  const wrong = state.shards.map((shard) => ({
    ...shard,
    state: { ...shard.state, b_enc: new Float32Array(1000) },
  }))
  await expect(Engine.resume(plan, { ...state, shards: wrong }, 0)).rejects.toThrow(
    'offset is out of bounds',
  )
})

async function nextBatch(
  batches: AsyncIterator<{ acts: ReadonlyMap<string, Float32Array> }>,
): Promise<Float32Array[]> {
  const { value } = await batches.next()
  return HOOKS.map((hook) => value.acts.get(hook)!)
}
