/**
 * Collects what the latents of one SAE do, from sparse activations, document by document.
 *
 * 1. The entries of a document are chained by latent, so that each latent's activations are met in order of position.
 * 2. Each activation counts for density, mean, maximum and histogram; then the latent's peaks in this document are offered
 *    to its strongest examples and to its sample over activation intervals.
 * Time is proportional to the number of active entries, memory to d_sae alone (`indexBytes`); nothing is ever dense in
 * latents x tokens, and the result depends neither on the order of documents nor on how they are batched.
 */

import { partOf, type TokenCorpus } from '../activations/index.ts'
import type { SparseActs } from '../sae/index.ts'
import { makeHistograms, N_BINS } from './bins.ts'
import { findPeaks } from './peaks.ts'
import {
  boundedBin,
  makePositionCounts,
  N_POSITION_BINS,
  type PositionCounts,
} from './positions.ts'
import { makeReservoirs, type Reservoirs, reservoirSlots } from './reservoir.ts'
import type { Peak } from './slots.ts'
import { makeTopExamples, type TopExamples } from './topExamples.ts'
import { textWindows } from './windows.ts'

/** How many examples of which kind are kept. */
export type ExampleOptions = {
  /** Strongest examples a latent (20). */
  readonly n_top: number
  /** Activation intervals (5) and examples shown of each (4). */
  readonly n_intervals: number
  readonly per_interval: number
  /** Tokens shown on each side of a peak (16). */
  readonly context: number
  /** Of the random sample. */
  readonly seed: number
}

export const EXAMPLE_DEFAULTS: ExampleOptions = {
  n_top: 20,
  n_intervals: 5,
  per_interval: 4,
  context: 16,
  seed: 0,
}

/** The statistics of one SAE under way. */
export type Accumulator = {
  readonly options: ExampleOptions
  /** [d_sae] */
  readonly n_active: Float64Array
  readonly sum: Float64Array
  readonly max: Float32Array
  /** [d_sae, N_BINS] */
  readonly histogram: Int32Array
  readonly positions: PositionCounts
  readonly top: TopExamples
  readonly reservoirs: Reservoirs
  /** Adds a batch: row i of `acts` is token token_index[i] of the corpus; rows of a document follow each other. */
  add(acts: SparseActs, token_index: Int32Array): void
}

/** Bytes that the index of one SAE takes while it is made: what to budget, whatever the number of tokens. */
export function indexBytes(d_sae: number, options: Partial<ExampleOptions> = {}): number {
  const { n_top, n_intervals, per_interval, context } = { ...EXAMPLE_DEFAULTS, ...options }
  const slot = 3 * 4 + (2 * context + 1) * 4
  return (
    d_sae *
    (slot * (n_top + reservoirSlots(n_intervals, per_interval)) +
      4 * N_BINS +
      4 * N_POSITION_BINS +
      60)
  )
}

/**
 * Starts the statistics of one SAE.
 * @param token_end tokens of the corpus at this index and after are not part of the run and not shown in windows.
 */
export function makeAccumulator(
  d_sae: number,
  corpus: TokenCorpus,
  token_end: number,
  options: ExampleOptions,
): Accumulator {
  const { n_top, n_intervals, per_interval, context, seed } = options
  const width = 2 * context + 1
  const n_active = new Float64Array(d_sae)
  const sum = new Float64Array(d_sae)
  const max = new Float32Array(d_sae)
  const histograms = makeHistograms(d_sae)
  const positions = makePositionCounts(d_sae)
  const windows = textWindows(corpus, token_end, context)
  const top = makeTopExamples(d_sae, n_top, width, windows)
  const reservoirs = makeReservoirs(d_sae, n_intervals, per_interval, width, seed)

  const head = new Int32Array(d_sae).fill(-1)
  const touched = new Int32Array(d_sae)
  let chain = new Int32Array(0)
  let entryPos = new Int32Array(0)
  let pos = new Int32Array(0)
  let peaks = new Int32Array(0)
  let value = new Float32Array(0)
  const peak: Peak = { token: 0, value: 0, window: new Float32Array(width) }

  const addDocument = (
    acts: SparseActs,
    token_index: Int32Array,
    row_from: number,
    row_to: number,
    doc_start: number,
  ) => {
    const first = acts.row_start[row_from]!
    const n_entries = acts.row_start[row_to]! - first
    if (chain.length < n_entries) {
      chain = new Int32Array(2 * n_entries)
      entryPos = new Int32Array(2 * n_entries)
    }
    if (pos.length < row_to - row_from) {
      pos = new Int32Array(2 * (row_to - row_from))
      peaks = new Int32Array(pos.length)
      value = new Float32Array(pos.length)
    }
    let n_touched = 0
    for (let row = row_to - 1; row >= row_from; row--) {
      const at = token_index[row]! - doc_start
      positions.tokens[boundedBin(at)]!++
      for (let e = acts.row_start[row]!; e < acts.row_start[row + 1]!; e++) {
        const latent = acts.index[e]!
        if (head[latent] === -1) touched[n_touched++] = latent
        chain[e - first] = head[latent]!
        entryPos[e - first] = at
        head[latent] = e - first
      }
    }
    for (let t = 0; t < n_touched; t++) {
      const latent = touched[t]!
      let n = 0
      for (let e = head[latent]!; e !== -1; e = chain[e]!) {
        pos[n] = entryPos[e]!
        value[n++] = acts.value[first + e]!
      }
      head[latent] = -1
      addLatent(latent, n, doc_start)
    }
  }

  /** Takes the `n` activations in `pos` and `value`. */
  const addLatent = (latent: number, n: number, doc_start: number) => {
    let total = 0
    let isWanted = false
    for (let i = 0; i < n; i++) {
      const act = value[i]!
      const token = doc_start + pos[i]!
      total += act
      if (act > max[latent]!) max[latent] = act
      histograms.add(latent, act)
      positions.active[latent * N_POSITION_BINS + boundedBin(pos[i]!)]!++
      isWanted ||= top.wants(latent, token, act) || reservoirs.wants(latent, token, act)
    }
    n_active[latent]! += n
    sum[latent]! += total
    if (isWanted) offerPeaks(latent, n, doc_start)
  }

  const offerPeaks = (latent: number, n: number, doc_start: number) => {
    const n_peaks = findPeaks(pos, value, n, 2 * context, peaks)
    for (let p = 0; p < n_peaks; p++) {
      const at = pos[peaks[p]!]!
      peak.token = doc_start + at
      peak.value = value[peaks[p]!]!
      const isStrong = top.wants(latent, peak.token, peak.value)
      const isSampled = reservoirs.wants(latent, peak.token, peak.value)
      if (!isStrong && !isSampled) continue
      peak.window.fill(0)
      for (let i = 0; i < n; i++) {
        const offset = pos[i]! - at + context
        if (offset >= 0 && offset < width) peak.window[offset] = value[i]!
      }
      if (isStrong) top.offer(latent, peak)
      if (isSampled) reservoirs.offer(latent, peak)
    }
  }

  return {
    options,
    n_active,
    sum,
    max,
    histogram: histograms.counts,
    positions,
    top,
    reservoirs,
    add(acts, token_index) {
      for (let row = 0; row < acts.n; ) {
        const doc = partOf(corpus.doc_start, token_index[row]!)
        const doc_end = corpus.doc_start[doc + 1]!
        let end = row + 1
        while (end < acts.n && token_index[end]! < doc_end && token_index[end]! > token_index[row]!)
          end++
        addDocument(acts, token_index, row, end, corpus.doc_start[doc]!)
        row = end
      }
    },
  }
}
