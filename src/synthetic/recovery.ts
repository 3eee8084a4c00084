/** How much of a known dictionary an SAE has found: by its directions, and by when its latents fire. */
import { linearSumAssignment } from 'linear-sum-assignment'
import type { SparseActs } from '../sae/index.ts'

/** A feature whose latent comes this near counts as recovered. */
const RECOVERED_COSINE = 0.9

/** Features and latents paired one to one, so that the sum of their cosines is the largest possible. */
export type Matching = {
  /** [n_features]: the latent of each feature; -1 for those left over where latents are fewer. */
  readonly latent: Int32Array
  /** [n_features]: cosine between feature and latent; 0 where there is none. */
  readonly cosine: Float64Array
  /** [n_features]: largest cosine with any latent. */
  readonly max_cosine: Float64Array
}

/**
 * Matches decoder rows with true directions.
 * @param directions [n_features, d], unit rows.
 * @param W_dec [d_sae, d], rows of any norm but 0.
 * @throws RangeError if a row of W_dec has no direction.
 */
export function matchFeatures(directions: Float32Array, W_dec: Float32Array, d: number): Matching {
  const [n_features, d_sae] = [directions.length / d, W_dec.length / d]
  const norms = Float64Array.from({ length: d_sae }, (_, latent) => {
    const row = W_dec.subarray(latent * d, (latent + 1) * d)
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    if (norm > 0 && Number.isFinite(norm)) return norm
    throw new RangeError(
      `matchFeatures: row ${latent} of W_dec has norm ${norm}, expected a direction. Did the training fail?`,
    )
  })
  const cosines = Array.from({ length: n_features }, (_, feature) =>
    Float64Array.from({ length: d_sae }, (_, latent) => {
      let dot = 0
      for (let k = 0; k < d; k++) dot += directions[feature * d + k]! * W_dec[latent * d + k]!
      return dot / norms[latent]!
    }),
  )
  const latent = Int32Array.from(
    linearSumAssignment(cosines, { maximaze: true }).rowAssignments, // the library's spelling
  )
  return {
    latent,
    cosine: Float64Array.from(latent, (j, i) => (j < 0 ? 0 : cosines[i]![j]!)),
    max_cosine: Float64Array.from(cosines, (row) => row.reduce((most, c) => Math.max(most, c))),
  }
}

/** How near the directions come; means are over all features. */
export type DirectionScore = {
  /** Mean over features of the largest cosine with any latent: one latent may serve several features (MMCS). */
  readonly mean_max_cosine: number
  /** Mean cosine of features with latents matched one to one; a feature without a latent counts as 0. */
  readonly mean_matched_cosine: number
  /** Share of features whose matched latent has a cosine of at least 0.9. */
  readonly recovered: number
}

/** Source of the mean max cosine: Sharkey, Braun and Millidge, "Taking features out of superposition", 2022. */
export function directionScore({ cosine, max_cosine }: Matching): DirectionScore {
  return {
    mean_max_cosine: mean(max_cosine),
    mean_matched_cosine: mean(cosine),
    recovered: mean(cosine.map((c) => (c >= RECOVERED_COSINE ? 1 : 0))),
  }
}

/** How well matched latents tell when their features are on. Means over the features that were on at all. */
export type FiringScore = {
  /** Of the tokens on which the latent fires, the share on which its feature is on; 0 where it never fires. */
  readonly precision: number
  /** Of the tokens on which the feature is on, the share on which its latent fires. */
  readonly recall: number
  /** Harmonic mean of the two, for each feature: `2 both / (latent + feature)`. */
  readonly f1: number
}

/**
 * Compares the firing of matched latents with the truth on the same tokens; how strongly does not count. A feature without a
 * latent counts as 0.
 * @throws RangeError if acts and features are not of the same tokens, or no feature was on.
 */
export function firingScore(
  { latent }: Matching,
  features: SparseActs,
  acts: SparseActs,
): FiringScore {
  if (features.n !== acts.n)
    throw new RangeError(
      `firingScore: acts of ${acts.n} tokens, expected ${features.n}, as many as features. Encode the same batch.`,
    )
  const n_features = latent.length
  const [on, both] = [new Uint32Array(n_features), new Uint32Array(n_features)]
  const fired = new Uint32Array(acts.d_sae)
  for (const active of acts.index) fired[active]!++
  const now = new Uint8Array(acts.d_sae)
  for (let token = 0; token < features.n; token++) {
    const active = acts.index.subarray(acts.row_start[token], acts.row_start[token + 1])
    for (const j of active) now[j] = 1
    const true_on = features.index.subarray(
      features.row_start[token],
      features.row_start[token + 1],
    )
    for (const i of true_on) {
      on[i]!++
      if (latent[i]! >= 0) both[i]! += now[latent[i]!]!
    }
    for (const j of active) now[j] = 0
  }
  const seen = Array.from(on.keys()).filter((i) => on[i]! > 0)
  if (seen.length === 0) throw new RangeError('firingScore: no feature was on. Give more tokens.')
  const firings = (i: number) => (latent[i]! < 0 ? 0 : fired[latent[i]!]!)
  return {
    precision: mean(seen.map((i) => (firings(i) === 0 ? 0 : both[i]! / firings(i)))),
    recall: mean(seen.map((i) => both[i]! / on[i]!)),
    f1: mean(seen.map((i) => (2 * both[i]!) / (firings(i) + on[i]!))),
  }
}

const mean = (values: Float64Array | readonly number[]): number => {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}
