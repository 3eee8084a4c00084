/** Activations with a known sparse dictionary, made on the fly: for tests and timings, where the truth must be known. */
import type { BatchSource, TrainingBatch } from '../activations/index.ts'
import type { HookName } from '../model/index.ts'
import { latentRandom } from './initialise.ts'

export type PlantedOptions = {
  readonly hooks: readonly HookName[]
  readonly d_in: number
  /** Directions of the true dictionary. */
  readonly n_features: number
  /** Mean number of features on in a token; frequencies fall as a power law. */
  readonly l0: number
  readonly noise?: number
  readonly seed: number
}

export type PlantedSource = BatchSource & {
  /** Per hook [n_features, d_in], unit rows. */
  readonly dictionary: ReadonlyMap<HookName, Float32Array>
}

/**
 * Tokens `x = 3 + sum_i a_i f_i + noise`, `a_i` uniform in [0.5, 1.5) with probability p_i, else 0; `f_i` unit rows.
 */
export function plantedSource(options: PlantedOptions): PlantedSource {
  const { hooks, d_in, n_features, l0, noise = 0.01, seed } = options
  const dictionary = new Map(
    hooks.map((hook, site) => {
      const rows = new Float32Array(n_features * d_in)
      const random = latentRandom(seed, site, 0)
      for (let i = 0; i < n_features; i++) {
        const row = rows.subarray(i * d_in, (i + 1) * d_in)
        for (let k = 0; k < d_in; k++) row[k] = gaussian(random)
        const norm = Math.hypot(...row)
        for (let k = 0; k < d_in; k++) row[k]! /= norm
      }
      return [hook, rows] as const
    }),
  )
  const weights = Float64Array.from({ length: n_features }, (_, i) => (i + 5) ** -0.5)
  const total = weights.reduce((a, b) => a + b, 0)
  const probability = weights.map((w) => Math.min(0.5, (w / total) * l0))
  const batch = (batchSeed: number, index: number, n: number): TrainingBatch => {
    const random = latentRandom(seed ^ batchSeed, 1000 + index, 1)
    const acts = new Map(
      hooks.map((hook) => [hook, new Float32Array(n * d_in).fill(3 / Math.sqrt(d_in))]),
    )
    for (let t = 0; t < n; t++) {
      for (let i = 0; i < n_features; i++) {
        if (random() >= probability[i]!) continue
        const a = 0.5 + random()
        for (const hook of hooks) {
          const x = acts.get(hook)!
          const rows = dictionary.get(hook)!
          for (let k = 0; k < d_in; k++) x[t * d_in + k]! += a * rows[i * d_in + k]!
        }
      }
      for (const hook of hooks) {
        const x = acts.get(hook)!
        for (let k = 0; k < d_in; k++) x[t * d_in + k]! += noise * (random() * 2 - 1)
      }
    }
    return { n_tokens: n, acts }
  }
  const norms = new Map(
    [...batch(0, -1, 512).acts].map(([hook, x]) => [
      hook,
      Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / 512),
    ]),
  )
  return {
    hooks,
    dictionary,
    width: () => d_in,
    norm: (hook) => norms.get(hook)!,
    n_tokens: 1_000_000,
    hash: `planted-${JSON.stringify(options)}`,
    async *batches({ batch_size, seed: batchSeed, first_batch = 0 }) {
      for (let index = first_batch; ; index++) yield batch(batchSeed, index, batch_size)
    },
  }
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
