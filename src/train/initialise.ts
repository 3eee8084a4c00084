/** How an SAE starts: unit decoder rows, W_enc = W_dec^T, b_dec at the mean, thresholds by the first batch. */
import type { SaeSpec } from './config.ts'
import { padded } from './ranges.ts'

/** A stream of uniform numbers in [0, 1) for one latent: the same whatever shard it falls into. */
export function latentRandom(seed: number, sae: number, latent: number): () => number {
  let state = mix(mix(mix(seed | 0) ^ sae) ^ latent)
  return () => {
    state = (state + 0x9e3779b9) | 0
    return (mix(state) >>> 0) / 2 ** 32
  }
}

/** A number for an SAE by what it is, not by its place in the run: trained alone it starts the same. */
function identity({ hook, d_sae, l0, hook_out }: SaeSpec): number {
  let state = 0
  for (const char of `${hook} ${d_sae} ${l0} ${hook_out ?? ''}`)
    state = mix(state ^ char.charCodeAt(0))
  return state
}

/** Finaliser of MurmurHash3: spreads 32 bits over 32 bits. */
function mix(value: number): number {
  let h = value ^ (value >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/**
 * Fills decoder rows [width, padded d_out] and encoder rows [width, padded d_in]: each direction uniform per coordinate
 * (He-uniform up to the scale, which falls away), then of unit norm. An SAE's encoder is its decoder's transpose; a
 * transcoder's has directions of its own.
 * Source: arXiv:2408.05147 §3.2 and appendix B.
 */
export function initialiseRows(
  rows: { readonly W_enc: Float32Array; readonly W_dec: Float32Array },
  options: {
    d_in: number
    d_out: number
    first: number
    width: number
    seed: number
    spec: SaeSpec
  },
): void {
  const { d_in, d_out, first, width, seed, spec } = options
  const sae = identity(spec)
  for (let i = 0; i < width; i++) {
    const random = latentRandom(seed, sae, first + i)
    const written = rows.W_dec.subarray(i * padded(d_out)).subarray(0, d_out)
    const read = rows.W_enc.subarray(i * padded(d_in)).subarray(0, d_in)
    fillUnit(written, random)
    if (spec.hook_out === undefined) read.set(written)
    else fillUnit(read, random)
  }
}

function fillUnit(row: Float32Array, random: () => number): void {
  for (let k = 0; k < row.length; k++) row[k] = random() * 2 - 1
  const norm = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0))
  for (let k = 0; k < row.length; k++) row[k] = row[k]! / norm
}

/** Bins over pre-activations in which the first threshold is looked up: [0, HISTOGRAM_MAX), the rest in the last. */
export const HISTOGRAM_BINS = 8192
const HISTOGRAM_MAX = 4

/** Bin of a positive pre-activation. */
export function histogramBin(pre: number): number {
  return Math.min(HISTOGRAM_BINS - 1, Math.floor((pre / HISTOGRAM_MAX) * HISTOGRAM_BINS))
}

/** The lowest threshold that lets at most `l0` latents a token through. */
export function thresholdFor(counts: ArrayLike<number>, n_tokens: number, l0: number): number {
  let above = 0
  for (let bin = HISTOGRAM_BINS - 1; bin >= 0; bin--) {
    above += counts[bin]!
    if (above > l0 * n_tokens) return ((bin + 1) * HISTOGRAM_MAX) / HISTOGRAM_BINS
  }
  return 0
}
