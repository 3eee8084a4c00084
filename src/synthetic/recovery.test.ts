/** Recovery scores, computed by hand. */
import { describe, expect, it } from 'vitest'
import { openRandom } from '../model/index.ts'
import type { SparseActs } from '../sae/index.ts'
import {
  absorption,
  directionScore,
  type Features,
  firingScore,
  type Matching,
  matchFeatures,
} from './index.ts'

/** Sparse rows from the indices that are on in each token; all activations 1. */
function rowsOn(d_sae: number, tokens: number[][]): SparseActs {
  const row_start = new Int32Array(tokens.length + 1)
  for (const [token, on] of tokens.entries()) row_start[token + 1] = row_start[token]! + on.length
  const index = Int32Array.from(tokens.flat())
  return {
    n: tokens.length,
    d_sae,
    row_start,
    index,
    value: new Float32Array(index.length).fill(1),
  }
}

const matched = (latent: number[], cosine: number[]): Matching => ({
  latent: Int32Array.from(latent),
  cosine: Float64Array.from(cosine),
  max_cosine: Float64Array.from(cosine),
})

describe('matching', () => {
  it('gives a latent to one feature only, for the largest sum of cosines', () => {
    // Features (1, 0), (0, 1). Latents: (0.8, 0.6) of norm 2, (1, 0), (-1, 0).
    // Cosines: 0.8, 1, -1 and 0.6, 0, 0. The best pairing is feature 0 - latent 1, feature 1 - latent 0: 1.6.
    const directions = Float32Array.of(1, 0, 0, 1)
    const match = matchFeatures(directions, Float32Array.of(1.6, 1.2, 1, 0, -1, 0), 2)
    expect([...match.latent]).toEqual([1, 0])
    const score = directionScore(match)
    expect(score.mean_max_cosine).toBeCloseTo((1 + 0.6) / 2, 6)
    expect(score.mean_matched_cosine).toBeCloseTo((1 + 0.6) / 2, 6)
    expect(score.recovered).toBe(0.5)
  })

  it('differs from the largest cosine where two features share a latent', () => {
    // Features (1, 0), (0.8, 0.6); latents (1, 0), (0, -1). Cosines: 1, 0 and 0.8, -0.6. Sums: 1 - 0.6 or 0 + 0.8.
    const match = matchFeatures(Float32Array.of(1, 0, 0.8, 0.6), Float32Array.of(1, 0, 0, -1), 2)
    expect([...match.latent]).toEqual([1, 0])
    const score = directionScore(match)
    expect(score.mean_max_cosine).toBeCloseTo((1 + 0.8) / 2, 6)
    expect(score.mean_matched_cosine).toBeCloseTo(0.8 / 2, 6)
    expect(score.recovered).toBe(0)
  })

  it('leaves features over where latents are fewer, which count as 0', () => {
    const directions = Float32Array.of(1, 0, 0, 1, 0.6, 0.8)
    const match = matchFeatures(directions, Float32Array.of(0, 3), 2)
    expect([...match.latent]).toEqual([-1, 0, -1])
    expect(directionScore(match).mean_matched_cosine).toBeCloseTo(1 / 3, 6)
    expect(directionScore(match).mean_max_cosine).toBeCloseTo((0 + 1 + 0.8) / 3, 6)
  })

  it.each([
    [4, 7],
    [6, 6],
    [7, 3],
  ])('finds what trying every pairing finds: %i features, %i latents', (n_features, d_sae) => {
    const d = 3
    const random = openRandom(n_features, d_sae)
    for (let trial = 0; trial < 20; trial++) {
      const rows = (n: number) => Float32Array.from({ length: n * d }, () => random() - 0.5)
      const unit = rows(n_features)
      for (let i = 0; i < n_features; i++) {
        const norm = Math.hypot(...unit.subarray(i * d, (i + 1) * d))
        for (let k = 0; k < d; k++) unit[i * d + k]! /= norm
      }
      const W_dec = rows(d_sae)
      const { cosine, latent } = matchFeatures(unit, W_dec, d)
      const used = latent.filter((j) => j >= 0)
      expect(used).toHaveLength(Math.min(n_features, d_sae))
      expect(new Set(used).size).toBe(used.length)
      expect(cosine.reduce((sum, c) => sum + c, 0)).toBeCloseTo(bestSum(unit, W_dec, d), 5)
    }
  })

  it('refuses a row without a direction', () => {
    expect(() => matchFeatures(Float32Array.of(1, 0), Float32Array.of(1, 0, 0, 0), 2)).toThrow(
      'row 1 of W_dec has norm 0',
    )
  })
})

/** The largest sum of cosines by trying every pairing in which as many as possible are paired. */
function bestSum(directions: Float32Array, W_dec: Float32Array, d: number): number {
  const [n, m] = [directions.length / d, W_dec.length / d]
  const cosine = (i: number, j: number) => {
    let [dot, square] = [0, 0]
    for (let k = 0; k < d; k++) {
      dot += directions[i * d + k]! * W_dec[j * d + k]!
      square += W_dec[j * d + k]! ** 2
    }
    return dot / Math.sqrt(square)
  }
  const [short, long] = [Math.min(n, m), Math.max(n, m)]
  const value = (s: number, l: number) => (n <= m ? cosine(s, l) : cosine(l, s))
  const rest = (s: number, used: number): number => {
    if (s === short) return 0
    let best = Number.NEGATIVE_INFINITY
    for (let l = 0; l < long; l++)
      if ((used & (1 << l)) === 0) best = Math.max(best, value(s, l) + rest(s + 1, used | (1 << l)))
    return best
  }
  return rest(0, 0)
}

describe('firing', () => {
  it('is compared feature by feature, over those that were on', () => {
    const match = matched([2, 0, -1, 1], [1, 1, 0, 1])
    const features = rowsOn(4, [[0], [0, 1], [1], [2], []])
    const acts = rowsOn(3, [[2], [0], [0], [0, 1], [0]])
    // Feature 0 (latent 2): on 2, fired 1, both 1. Feature 1 (latent 0): on 2, fired 4, both 2. Feature 2: on 1, no latent.
    // Feature 3 was never on.
    const score = firingScore(match, features, acts)
    expect(score.precision).toBeCloseTo((1 + 0.5 + 0) / 3, 12)
    expect(score.recall).toBeCloseTo((0.5 + 1 + 0) / 3, 12)
    expect(score.f1).toBeCloseTo((2 / 3 + 4 / 6 + 0) / 3, 12)
  })

  it('is refused for other tokens, and where nothing was on', () => {
    const match = matched([0], [1])
    expect(() => firingScore(match, rowsOn(1, [[0]]), rowsOn(1, [[0], []]))).toThrow('acts of 2')
    expect(() => firingScore(match, rowsOn(1, [[]]), rowsOn(1, [[0]]))).toThrow('no feature was on')
  })
})

describe('absorption', () => {
  // Features: 0 parent of 1 and 2, 3 parent of 4. Latent i stands for feature i.
  const truth: Features = {
    frequency: new Float64Array(5),
    parent: Int32Array.of(-1, 0, 0, -1, 3),
    group: new Int32Array(5).fill(-1),
  }
  const features = rowsOn(5, [[0, 1], [0, 1], [0, 1, 2], [0, 2], [0], [0], [3, 4], [3]])

  it("is the share of a child's firings in which its parent's latent is silent", () => {
    const acts = rowsOn(5, [[1], [0, 1], [1, 2], [0], [0], [], [4], []])
    // Of parent 0: child 1 fires in tokens 0, 1, 2, child 2 in token 2; the parent's latent is silent in 0 and twice in 2.
    // Of parent 3: child 4 fires in token 6, the parent's latent is silent. Alone: tokens 4, 5 and 7, silent in 5 and 7.
    const match = matched([0, 1, 2, 3, 4], [0.9, 0.7, 0.6, 0.8, 0.5])
    const found = absorption(match, truth, features, acts)
    expect(found).toEqual({ absorbed: 4 / 5, silent_alone: 2 / 3, n_parents: 2 })
  })

  it('judges only pairs that were found', () => {
    const acts = rowsOn(5, [[1], [0, 1], [1, 2], [0], [0], [], [4], []])
    const match = matched([0, 1, 2, 3, 4], [0.9, 0.7, 0.4, 0.4, 0.9])
    // Child 1 alone: tokens 0, 1, 2, silent in 0 and 2; alone: tokens 4 and 5, silent in 5.
    const found = absorption(match, truth, features, acts)
    expect(found).toEqual({ absorbed: 2 / 3, silent_alone: 1 / 2, n_parents: 1 })
  })

  it('is absent where nothing can be judged', () => {
    const silent = rowsOn(5, [[], [], [], [], [], [], [], []])
    const match = matched([0, 1, 2, 3, 4], [1, 1, 1, 1, 1])
    expect(absorption(match, truth, features, silent)).toBeUndefined()
  })
})
