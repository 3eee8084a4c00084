/** Activations with a known sparse dictionary, made as they are asked for: no model, no text, nothing on disk. */
import { type HookName, openRandom } from '../model/index.ts'
import type { SparseActs } from '../sae/index.ts'
import { drawDirections, gaussian } from './directions.ts'
import { drawFeatures, planFeatures } from './features.ts'
import type { SyntheticBatch, SyntheticOptions, SyntheticSource } from './types.ts'

/** Tokens that a site's norm is measured on. */
const NORM_TOKENS = 2048

/**
 * Tokens `x = offset + sum_i a_i f_i + noise` at every site: f_i unit directions of the site, a_i > 0 where feature i fires
 * and 0 elsewhere, the same at all sites. No token comes twice. A batch depends on the seeds and its own index alone.
 * @throws RangeError as `planFeatures` and `drawDirections`.
 */
export function syntheticSource(options: SyntheticOptions): SyntheticSource {
  const { d_in, n_features, max_cosine, noise = 0.01, offset = 3, output, seed } = options
  const hooks = [...options.hooks, ...(output ? [output.hook] : [])]
  const width = (hook: HookName): number => {
    if (hook === output?.hook) return output.d
    if (hooks.includes(hook)) return d_in
    throw new RangeError(`synthetic: has no activations of ${hook}; it has ${hooks.join(', ')}.`)
  }
  const features = planFeatures(options, openRandom(seed, 0))
  const dictionary = new Map(
    hooks.map((hook, site) => [
      hook,
      drawDirections(n_features, width(hook), openRandom(seed, 2 + site), max_cosine),
    ]),
  )
  const skip = output?.linear ? randomMap(d_in, output.d, output.linear, seed) : undefined

  const batch: SyntheticSource['batch'] = (asked): SyntheticBatch => {
    const { batch_size: n, index } = asked
    const stream_seed = Math.floor(openRandom(seed, asked.seed)() * 2 ** 32)
    const on = drawFeatures(features, n, options, openRandom(stream_seed, index))
    const acts = new Map(
      hooks.map((hook, site) => {
        const random = openRandom(stream_seed + 1 + site, index)
        const d = width(hook)
        const x = new Float32Array(n * d).fill(offset / Math.sqrt(d))
        for (let i = 0; i < x.length; i++) x[i]! += noise * (random() * 2 - 1)
        addFeatures(x, on, dictionary.get(hook)!)
        return [hook, x] as const
      }),
    )
    if (output && skip) addProduct(acts.get(output.hook)!, acts.get(hooks[0]!)!, skip, n)
    return { n_tokens: n, acts, features: on }
  }

  const sample = batch({ batch_size: NORM_TOKENS, seed: 0, index: -1 })
  const norms = new Map(
    [...sample.acts].map(([hook, x]) => [
      hook,
      Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / NORM_TOKENS),
    ]),
  )
  return {
    hooks,
    width,
    norm: (hook) => norms.get(hook)!,
    n_tokens: Number.MAX_SAFE_INTEGER,
    hash: `synthetic ${JSON.stringify(options)}`,
    async *batches({ batch_size, seed: batch_seed, first_batch = 0, signal }) {
      for (let index = first_batch; ; index++) {
        signal?.throwIfAborted()
        yield batch({ batch_size, seed: batch_seed, index })
      }
    },
    dictionary,
    features,
    ...(skip ? { skip } : {}),
    batch,
  }
}

/** x [n, d] += acts rows, rows [n_features, d]. */
function addFeatures(x: Float32Array, acts: SparseActs, rows: Float32Array): void {
  const d = x.length / acts.n
  for (let token = 0; token < acts.n; token++) {
    const to = token * d
    for (let entry = acts.row_start[token]!; entry < acts.row_start[token + 1]!; entry++) {
      const [from, act] = [acts.index[entry]! * d, acts.value[entry]!]
      for (let k = 0; k < d; k++) x[to + k]! += act * rows[from + k]!
    }
  }
}

/** y [n, d_out] += x [n, d_in] map [d_in, d_out]. */
function addProduct(y: Float32Array, x: Float32Array, map: Float32Array, n: number): void {
  const [d_in, d_out] = [x.length / n, y.length / n]
  for (let token = 0; token < n; token++)
    for (let k = 0; k < d_in; k++) {
      const value = x[token * d_in + k]!
      for (let j = 0; j < d_out; j++) y[token * d_out + j]! += value * map[k * d_out + j]!
    }
}

/** [d_in, d_out]: on average it makes a vector `scale` times as long. */
function randomMap(d_in: number, d_out: number, scale: number, seed: number): Float32Array {
  const random = openRandom(seed, 1)
  return Float32Array.from(
    { length: d_in * d_out },
    () => (scale * gaussian(random)) / Math.sqrt(d_out),
  )
}
