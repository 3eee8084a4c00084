/** What synthetic activations are asked for, and the truth that comes with them. */
import type { BatchSource, TrainingBatch } from '../activations/index.ts'
import type { HookName } from '../model/index.ts'
import type { SparseActs } from '../sae/index.ts'

export type SyntheticOptions = {
  /** Sites that carry the same features, each along directions of its own. */
  readonly hooks: readonly HookName[]
  readonly d_in: number
  /** Directions of the true dictionary of each site; more than `d_in` are in superposition. */
  readonly n_features: number
  /** Mean number of features on in a token. */
  readonly l0: number
  /** Frequencies fall as `(i + 5)^-exponent`. Default 0.5; 0 makes all equal. */
  readonly exponent?: number
  /** Largest magnitude of the cosine between two directions of a site. Without it directions are drawn freely. */
  readonly max_cosine?: number
  /** `n` groups of `size` features of equal frequency; any two of a group fire with this correlation, 0 to 1. */
  readonly groups?: { readonly n: number; readonly size: number; readonly correlation: number }
  /** `n` parents with so many children each. A child fires on this `share` of its parent's tokens and on no other. */
  readonly families?: { readonly n: number; readonly children: number; readonly share: number }
  /** Activations are uniform between these. Default 0.5 and 1.5. */
  readonly magnitude?: readonly [low: number, high: number]
  /** Half-width of the uniform noise on every coordinate. Default 0.01. */
  readonly noise?: number
  /** Norm of the constant added to every token. Default 3. */
  readonly offset?: number
  /**
   * One more site, a function of the first for a transcoder to find: the same features along other directions, plus
   * `linear` times the first site's activation under a fixed random map (`SyntheticSource.skip`). Default of linear: 0.
   */
  readonly output?: { readonly hook: HookName; readonly d: number; readonly linear?: number }
  readonly seed: number
}

/** Which features there are and how they hang together. */
export type Features = {
  /** [n_features]: share of tokens on which each fires; they sum to l0. */
  readonly frequency: Float64Array
  /** [n_features]: the parent of a child, always of a lower index; -1 for all others. */
  readonly parent: Int32Array
  /** [n_features]: the group of a feature that fires with others, -1 for all others. Its members follow each other. */
  readonly group: Int32Array
}

/** Tokens with the truth about them. */
export type SyntheticBatch = TrainingBatch & {
  /** Features on in each token and how strongly, ascending within a token. */
  readonly features: SparseActs
}

/** An endless source of activations of which everything is known. */
export type SyntheticSource = BatchSource & {
  /** Per site [n_features, width], unit rows. */
  readonly dictionary: ReadonlyMap<HookName, Float32Array>
  readonly features: Features
  /** [d_in, output.d], scaled: what the linear part adds is `x skip`. Absent without one. */
  readonly skip?: Float32Array
  /** Batch `index` of the stream that `batches` gives under this seed, with the features behind it. */
  batch(options: { batch_size: number; seed: number; index: number }): SyntheticBatch
}
