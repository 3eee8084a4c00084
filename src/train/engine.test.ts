/** The engine against the f64 oracle, and the oracle against central differences. */
import { describe, expect, it } from 'vitest'
import { resolveRecipe } from './config.ts'
import type { RunPlan, SaePlan } from './control.ts'
import { Engine } from './engine.ts'
import { latentRandom } from './initialise.ts'
import { kernelVariant } from './kernels/load.ts'
import {
  type OracleParameters,
  type OracleSae,
  oracleForward,
  oracleGradients,
  oracleStep,
} from './oracle.ts'
import { plantedSource } from './planted.ts'
import { padded, shardRanges } from './slice.ts'
import type { EngineState } from './state.ts'

const LOSS = { l0_target: 3, lambda: 0.5 }

function randomOracle(d_in: number, d_sae: number, seed: number): OracleSae {
  const random = latentRandom(seed, d_in, d_sae)
  const fill = (n: number, low: number, high: number) =>
    Float64Array.from({ length: n }, () => low + (high - low) * random())
  const parameters: OracleParameters = {
    W_enc: fill(d_sae * d_in, -1, 1),
    W_dec: fill(d_sae * d_in, -1, 1),
    b_enc: fill(d_sae, -0.2, 0.2),
    b_dec: fill(d_in, -0.5, 0.5),
    threshold: fill(d_sae, 0.1, 0.4),
  }
  return { d_in, d_sae, parameters, v: zerosLike(parameters) }
}

function zerosLike(p: OracleParameters): OracleParameters {
  return Object.fromEntries(
    Object.entries(p).map(([name, a]) => [name, new Float64Array(a.length)]),
  ) as OracleParameters
}

describe('the oracle', () => {
  it.each(['W_enc', 'W_dec', 'b_enc', 'b_dec'] as const)(
    'has the gradient of %s that central differences give',
    (name) => {
      const sae = randomOracle(5, 7, 1)
      const random = latentRandom(2, 0, 0)
      const x = Float64Array.from({ length: 3 * 5 }, () => 2 * random() - 1)
      const { pre, l0 } = oracleForward(sae, x, LOSS)
      expect(l0).toBeGreaterThan(1)
      const nearest = Math.min(...pre.map((z, j) => Math.abs(z - sae.parameters.threshold[j % 7]!)))
      expect(nearest).toBeGreaterThan(1e-4)
      const gradient = oracleGradients(sae, x, LOSS, 0.1)[name]
      const values = sae.parameters[name]
      const step = 1e-6
      for (let j = 0; j < values.length; j++) {
        const value = values[j]!
        values[j] = value + step
        const up = oracleForward(sae, x, LOSS).loss
        values[j] = value - step
        const down = oracleForward(sae, x, LOSS).loss
        values[j] = value
        expect(gradient[j]).toBeCloseTo((up - down) / (2 * step), 7)
      }
    },
  )

  it('has the pseudo-derivative of the threshold, computed by hand', () => {
    // One input, one latent, tokens 1.0 (active, in the window), 0.85 (below, in the window), 2 (active, outside).
    const one = (value: number) => Float64Array.of(value)
    const parameters = {
      W_enc: one(1),
      W_dec: one(1),
      b_enc: one(0),
      b_dec: one(0),
      threshold: one(0.9),
    }
    const sae: OracleSae = { d_in: 1, d_sae: 1, parameters, v: zerosLike(parameters) }
    // recon 1, 0, 2: residual 0, -0.85, 0; g = 2 residual / 3 = 0, -1.7 / 3, 0; l0 = 2/3, target 0.5, lambda 0.6: slope 0.2.
    const g = oracleGradients(
      sae,
      Float64Array.of(1, 0.85, 2),
      { l0_target: 0.5, lambda: 0.6 },
      0.4,
    )
    const slope = 0.6 * (2 / 3 / 0.5 - 1)
    const expected = -(0.9 * 0 + slope / 3) / 0.4 - ((0.9 * -1.7) / 3 + slope / 3) / 0.4
    expect(g.threshold[0]).toBeCloseTo(expected, 12)
  })

  it('projects the gradient off the decoder rows and keeps them at unit norm', () => {
    const sae = randomOracle(5, 7, 3)
    const { W_dec } = sae.parameters
    const options = { lr: 0.01, lr_threshold: 0.01, beta2: 0.999, adam_eps: 1e-8, t: 1 }
    oracleStep(sae, zerosLike(sae.parameters), options)
    const g = zerosLike(sae.parameters)
    // A gradient along the row alone must not move it.
    g.W_dec.set(W_dec.map((w) => 3 * w))
    const before = W_dec.slice()
    oracleStep(sae, g, { ...options, adam_eps: 1 })
    for (const [j, w] of W_dec.entries()) expect(w).toBeCloseTo(before[j]!, 12)
    for (let i = 0; i < 7; i++)
      expect(Math.hypot(...W_dec.subarray(i * 5, i * 5 + 5))).toBeCloseTo(1, 12)
  })
})

const HOOKS = ['blocks.0.hook_resid_post', 'blocks.1.hook_resid_post'] as const

/** Two SAEs of unequal width, three shards, on sites of 35 inputs. */
function smallPlan(n_threads: number, norm: number): RunPlan {
  const recipe = {
    ...{ shards: 3, bandwidth: 0.15, adam_eps: 1e-3, lr: 0.01, lr_threshold: 0.02 },
    ...{ dead_window_tokens: 40, pre_act_weight: 0 },
  }
  const sae = (site: 0 | 1, d_sae: number): SaePlan => ({
    spec: { hook: HOOKS[site], d_sae, l0: 3 },
    ...{ d_in: 35, scale: 1 / norm, site, n_shards: 3 },
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
  const { d_in, spec, n_shards } = plan.saes[sae]!
  const { d_sae } = spec
  const empty = (): OracleParameters => ({
    ...{ W_enc: new Float64Array(d_sae * d_in), W_dec: new Float64Array(d_sae * d_in) },
    ...{
      b_enc: new Float64Array(d_sae),
      b_dec: new Float64Array(d_in),
      threshold: new Float64Array(d_sae),
    },
  })
  const [parameters, v] = [empty(), empty()]
  const ranges = shardRanges(d_sae, n_shards)
  for (const { shard, state: from } of state.shards.filter((s) => s.sae === sae)) {
    const { first, width } = ranges[shard]!
    for (const [to, prefix] of [
      [parameters, ''],
      [v, 'v_'],
    ] as const) {
      for (const name of ['b_enc', 'threshold'] as const)
        to[name].set(from[`${prefix}${name}`], first)
      for (const [name, source] of [
        ['W_enc', prefix ? 'v_enc' : 'W_enc'],
        ['W_dec', prefix ? 'v_dec' : 'W_dec'],
      ] as const) {
        for (let i = 0; i < width; i++) {
          const at = i * padded(d_in)
          to[name].set(from[source].subarray(at, at + d_in), (first + i) * d_in)
        }
      }
    }
  }
  parameters.b_dec.set(state.biases[sae]!.b_dec.subarray(0, d_in))
  v.b_dec.set(state.biases[sae]!.v_b_dec.subarray(0, d_in))
  return { d_in, d_sae, parameters, v }
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
          const loss = { l0_target: spec.l0, lambda }
          const { mse, l0 } = oracleForward(oracle, scaled, loss)
          expect(outputs[i]!.mse).toBeCloseTo(mse, 4)
          expect(outputs[i]!.l0).toBe(l0)
          const g = oracleGradients(oracle, scaled, loss, Math.fround(recipe.bandwidth))
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
  const broken = Engine.resume(plan, { ...state, shards: wrong }, 0)
  const input = plan.saes.map(() => ({ lr: 0, lr_threshold: 0, lambda: 0 }))
  await expect(broken.step(0, input)).rejects.toThrow('offset is out of bounds')
  await broken.close()
})

async function nextBatch(
  batches: AsyncIterator<{ acts: ReadonlyMap<string, Float32Array> }>,
): Promise<Float32Array[]> {
  const { value } = await batches.next()
  return HOOKS.map((hook) => value.acts.get(hook)!)
}
