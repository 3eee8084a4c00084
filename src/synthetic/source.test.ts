/** The promises of synthetic activations: statistics as asked, the equation they follow, the same bytes in any order. */
import { describe, expect, it } from 'vitest'
import type { HookName } from '../model/index.ts'
import { drawDirections, gaussian } from './directions.ts'
import { type SyntheticBatch, type SyntheticOptions, syntheticSource } from './index.ts'

const HOOKS: HookName[] = ['blocks.0.hook_resid_post', 'blocks.1.hook_mlp_out']
const SMALL: SyntheticOptions = { hooks: HOOKS, d_in: 7, n_features: 23, l0: 3, seed: 5 }

/** [n_features] tokens on which each feature is on; [n_features][n_features] on which two are. */
function countFeatures({ features }: SyntheticBatch) {
  const on = new Uint32Array(features.d_sae)
  const both = Array.from({ length: features.d_sae }, () => new Uint32Array(features.d_sae))
  for (let token = 0; token < features.n; token++) {
    const now = features.index.subarray(features.row_start[token], features.row_start[token + 1])
    for (const i of now) {
      on[i]!++
      for (const j of now) both[i]![j]!++
    }
  }
  return { on, both }
}

describe('a synthetic source', () => {
  it('gives x = offset + sum of activations times directions + noise at every site', () => {
    const source = syntheticSource({ ...SMALL, noise: 0.02, offset: 2, magnitude: [0.7, 0.9] })
    const { acts, features } = source.batch({ batch_size: 41, seed: 3, index: 6 })
    let noise = 0
    for (const hook of HOOKS) {
      const rows = source.dictionary.get(hook)!
      const x = acts.get(hook)!
      expect(x).toHaveLength(41 * 7)
      for (let token = 0; token < 41; token++)
        for (let k = 0; k < 7; k++) {
          let clean = 2 / Math.sqrt(7)
          for (let e = features.row_start[token]!; e < features.row_start[token + 1]!; e++)
            clean += features.value[e]! * rows[features.index[e]! * 7 + k]!
          noise = Math.max(noise, Math.abs(x[token * 7 + k]! - clean))
        }
    }
    expect(noise).toBeLessThan(0.02001)
    expect(noise).toBeGreaterThan(0.015)
    for (const value of features.value) {
      expect(value).toBeGreaterThanOrEqual(Math.fround(0.7))
      expect(value).toBeLessThanOrEqual(Math.fround(0.9))
    }
  })

  it('gives each batch from its seed and index alone, and unlike batches under other ones', async () => {
    const source = syntheticSource(SMALL)
    const later = source.batch({ batch_size: 5, seed: 1, index: 2 }).acts.get(HOOKS[0]!)!
    let index = 0
    for await (const { acts } of syntheticSource(SMALL).batches({ batch_size: 5, seed: 1 })) {
      if (index === 2) expect(acts.get(HOOKS[0]!)).toEqual(later)
      else expect(acts.get(HOOKS[0]!)).not.toEqual(later)
      if (index++ === 2) break
    }
    for await (const { acts } of source.batches({ batch_size: 5, seed: 1, first_batch: 2 })) {
      expect(acts.get(HOOKS[0]!)).toEqual(later)
      break
    }
    const other = syntheticSource({ ...SMALL, seed: 6 })
    for (const [from, seed] of [[source, 2], [other, 1]] as const) // biome-ignore format: pairs
      expect(from.batch({ batch_size: 5, seed, index: 2 }).acts.get(HOOKS[0]!)).not.toEqual(later)
    expect(other.hash).not.toBe(source.hash)
  })

  it('fires each feature as often as it says, l0 in all, by the power law', () => {
    const source = syntheticSource({ ...SMALL, n_features: 60, exponent: 1 })
    const { frequency } = source.features
    const n = 40_000
    const { on, both } = countFeatures(source.batch({ batch_size: n, seed: 1, index: 0 }))
    expect(frequency.reduce((sum, p) => sum + p, 0)).toBeCloseTo(3, 10)
    expect(frequency[0]! / frequency[5]!).toBeCloseTo(2, 10)
    for (const [i, p] of frequency.entries()) {
      const spread = Math.sqrt((p * (1 - p)) / n)
      expect(Math.abs(on[i]! / n - p)).toBeLessThan(5 * spread)
    }
    const together = both[0]![1]! / n
    expect(together / (frequency[0]! * frequency[1]!)).toBeCloseTo(1, 0)
  })

  it('tells the norm of its sites', () => {
    const source = syntheticSource(SMALL)
    for (const hook of HOOKS) {
      const x = source.batch({ batch_size: 4000, seed: 9, index: 0 }).acts.get(hook)!
      const norm = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / 4000)
      expect(source.norm(hook) / norm).toBeCloseTo(1, 1)
    }
    expect(() => source.width('blocks.5.hook_mlp_out')).toThrow('has no activations of blocks.5')
  })

  it('says which features and frequencies do not go together', () => {
    expect(() => syntheticSource({ ...SMALL, n_features: 5 })).toThrow('smaller l0 or exponent')
    const groups = { n: 4, size: 6, correlation: 0.5 }
    expect(() => syntheticSource({ ...SMALL, groups })).toThrow('24 features')
  })
})

describe('features that hang together', () => {
  const n = 60_000

  it('fire with the correlation asked for within a group, and with none outside', () => {
    const correlation = 0.6
    const groups = { n: 4, size: 3, correlation }
    const source = syntheticSource({ ...SMALL, n_features: 30, groups })
    const { group, frequency } = source.features
    const { on, both } = countFeatures(source.batch({ batch_size: n, seed: 1, index: 0 }))
    let n_pairs = 0
    for (let i = 0; i < 30; i++)
      for (let j = 0; j < i; j++) {
        const [p, q] = [on[i]! / n, on[j]! / n]
        const found = (both[i]![j]! / n - p * q) / Math.sqrt(p * (1 - p) * q * (1 - q))
        const isPair = group[i]! >= 0 && group[i] === group[j]
        if (isPair) expect(frequency[i]).toBe(frequency[j])
        if (isPair) n_pairs++
        expect(Math.abs(found - (isPair ? correlation : 0))).toBeLessThan(0.03)
      }
    expect(n_pairs).toBe(12)
    expect(frequency.reduce((sum, p) => sum + p, 0)).toBeCloseTo(3, 10)
    for (const [i, p] of frequency.entries()) expect(on[i]! / n).toBeCloseTo(p, 1.7)
  })

  it('fire only with their parent in a family, on the share of its tokens asked for', () => {
    const families = { n: 3, children: 2, share: 0.3 }
    const source = syntheticSource({ ...SMALL, families })
    const { parent, frequency } = source.features
    const { on, both } = countFeatures(source.batch({ batch_size: n, seed: 1, index: 0 }))
    const children = Array.from(parent.keys()).filter((i) => parent[i]! >= 0)
    expect(children).toHaveLength(6)
    expect(new Set(children.map((i) => parent[i])).size).toBe(3)
    for (const i of children) {
      const above = parent[i]!
      expect(both[i]![above]).toBe(on[i])
      expect(on[i]! / on[above]!).toBeCloseTo(0.3, 1)
      expect(frequency[i]! / frequency[above]!).toBeCloseTo(0.3, 10)
    }
  })
})

describe('directions', () => {
  const random = () => {
    let state = 9
    return () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state / 2 ** 32
    }
  }
  const cosines = (rows: Float32Array, d: number) => {
    const n = rows.length / d
    const found: number[] = []
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let dot = 0
        for (let k = 0; k < d; k++) dot += rows[i * d + k]! * rows[j * d + k]!
        if (i === j) expect(dot).toBeCloseTo(1, 6)
        else found.push(Math.abs(dot))
      }
    return found
  }

  it('are of unit norm and no nearer than allowed, four times as many as dimensions', () => {
    const d = 24
    expect(Math.max(...cosines(drawDirections(4 * d, d, random()), d))).toBeGreaterThan(0.5)
    expect(Math.max(...cosines(drawDirections(4 * d, d, random(), 0.4), d))).toBeLessThan(0.4001)
  })

  it('are refused where there is no room for them', () => {
    expect(() => drawDirections(20, 3, random(), 0.4)).toThrow('of 20 in 3 dimensions')
  })

  it('are drawn from a normal distribution', () => {
    const draw = random()
    const values = Float64Array.from({ length: 20_000 }, () => gaussian(draw))
    const moment = (k: number) => values.reduce((sum, v) => sum + v ** k, 0) / values.length
    expect(moment(1)).toBeCloseTo(0, 1)
    expect(moment(2)).toBeCloseTo(1, 1)
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.2)
  })
})

it('an output site holds the same features elsewhere, and a linear function of the first site', () => {
  const output = { hook: 'blocks.2.hook_mlp_out', d: 11, linear: 0.5 } as const
  const source = syntheticSource({ ...SMALL, output, noise: 0, offset: 1 })
  expect(source.hooks).toEqual([...HOOKS, output.hook])
  const { acts, features } = source.batch({ batch_size: 13, seed: 2, index: 0 })
  const [x, y] = [acts.get(HOOKS[0]!)!, acts.get(output.hook)!]
  const rows = source.dictionary.get(output.hook)!
  let longest = 0
  for (let token = 0; token < 13; token++)
    for (let j = 0; j < 11; j++) {
      let expected = 1 / Math.sqrt(11)
      for (let e = features.row_start[token]!; e < features.row_start[token + 1]!; e++)
        expected += features.value[e]! * rows[features.index[e]! * 11 + j]!
      let linear = 0
      for (let k = 0; k < 7; k++) linear += x[token * 7 + k]! * source.skip![k * 11 + j]!
      longest = Math.max(longest, Math.abs(linear))
      expect(y[token * 11 + j]).toBeCloseTo(expected + linear, 5)
    }
  expect(longest).toBeGreaterThan(0.1)
  expect(syntheticSource({ ...SMALL, output: { hook: output.hook, d: 11 } }).skip).toBeUndefined()
})
