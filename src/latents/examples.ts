/** The examples of every latent as flat columns, once all text has been seen. */

import type { TokenCorpus } from '../activations/index.ts'
import type { Accumulator } from './accumulate.ts'
import type { Slots } from './slots.ts'
import type { LatentColumns } from './types.ts'
import { textWindows, windowOf } from './windows.ts'

/** Most frequent peak tokens kept of each latent. */
export const N_TOP_TOKENS = 10

type ExampleColumns = Pick<
  LatentColumns,
  | 'example_first'
  | 'example_interval'
  | 'example_doc'
  | 'example_start'
  | 'example_peak'
  | 'ids_first'
  | 'ids'
  | 'active_first'
  | 'active_at'
  | 'active_value'
>

/** One chosen example: the slot that holds it. */
type Chosen = { readonly slots: Slots; readonly slot: number; readonly interval: number }

/**
 * The examples of all latents: the strongest first, then each interval's, strongest first within each. An interval shows no
 * text that the strongest or a stronger interval show already, so it may have fewer than `per_interval`.
 */
export function collectExamples(
  found: Accumulator,
  corpus: TokenCorpus,
  token_end: number,
): ExampleColumns {
  const { context } = found.options
  const d_sae = found.n_active.length
  const example_first = new Int32Array(d_sae + 1)
  const chosen: Chosen[] = []
  for (let latent = 0; latent < d_sae; latent++) {
    chosen.push(...chooseExamples(found, latent, textWindows(corpus, token_end, context)))
    example_first[latent + 1] = chosen.length
  }
  const n = chosen.length
  const [interval, doc, start, peak] = [0, 0, 0, 0].map(() => new Int32Array(n)) as Int32Array[]
  const ids_first = new Int32Array(n + 1)
  const active_first = new Int32Array(n + 1)
  const spans = chosen.map(({ slots, slot }) =>
    windowOf(corpus, token_end, context, slots.token[slot]!),
  )
  for (const [e, { slots, slot }] of chosen.entries()) {
    ids_first[e + 1] = ids_first[e]! + spans[e]!.to - spans[e]!.from
    active_first[e + 1] = active_first[e]! + slots.window(slot).filter((value) => value > 0).length
  }
  const ids = new Int32Array(ids_first[n]!)
  const active_at = new Int32Array(active_first[n]!)
  const active_value = new Float32Array(active_first[n]!)
  for (const [e, { slots, slot, interval: k }] of chosen.entries()) {
    const { from, to, doc: d } = spans[e]!
    const token = slots.token[slot]!
    interval![e] = k
    doc![e] = d
    start![e] = from - corpus.doc_start[d]!
    peak![e] = token - from
    ids.set(corpus.ids.subarray(from, to), ids_first[e])
    const window = slots.window(slot)
    let at = active_first[e]!
    for (let i = 0; i < window.length; i++) {
      if (window[i] === 0) continue
      active_at[at] = token - context + i - from
      active_value[at++] = window[i]!
    }
  }
  return {
    example_first,
    example_interval: interval!,
    example_doc: doc!,
    example_start: start!,
    example_peak: peak!,
    ids_first,
    ids,
    active_first,
    active_at,
    active_value,
  }
}

/**
 * The tokens at the peaks of the strongest examples with how often each occurs, most frequent first (of equals the one whose
 * example is stronger).
 * @returns two arrays [d_sae, N_TOP_TOKENS], padded with id -1 and count 0.
 */
export function countTopTokens(
  columns: ExampleColumns,
): Pick<LatentColumns, 'top_token_id' | 'top_token_count'> {
  const d_sae = columns.example_first.length - 1
  const top_token_id = new Int32Array(d_sae * N_TOP_TOKENS).fill(-1)
  const top_token_count = new Int32Array(d_sae * N_TOP_TOKENS)
  for (let latent = 0; latent < d_sae; latent++) {
    const counts = new Map<number, number>()
    for (let e = columns.example_first[latent]!; e < columns.example_first[latent + 1]!; e++) {
      if (columns.example_interval[e] !== 0) break
      const id = columns.ids[columns.ids_first[e]! + columns.example_peak[e]!]!
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    const ranked = [...counts].sort(([, a], [, b]) => b - a).slice(0, N_TOP_TOKENS)
    for (const [i, [id, count]] of ranked.entries()) {
      top_token_id[latent * N_TOP_TOKENS + i] = id
      top_token_count[latent * N_TOP_TOKENS + i] = count
    }
  }
  return { top_token_id, top_token_count }
}

function chooseExamples(
  { options, top, reservoirs }: Accumulator,
  latent: number,
  text: ReturnType<typeof textWindows>,
): Chosen[] {
  const byStrength = (slots: Slots) => (a: number, b: number) =>
    slots.value[b]! - slots.value[a]! || slots.token[a]! - slots.token[b]!
  const strongest = Array.from({ length: top.count[latent]! }, (_, i) => latent * options.n_top + i)
  strongest.sort(byStrength(top.slots))
  const chosen: Chosen[] = strongest.map((slot) => ({ slots: top.slots, slot, interval: 0 }))
  const tokens = chosen.map(({ slot }) => top.slots.token[slot]!)
  const { slots } = reservoirs
  for (let interval = 1; interval <= options.n_intervals; interval++) {
    const drawn: number[] = []
    for (const slot of reservoirs.interval(latent, interval)) {
      if (drawn.length === options.per_interval) break
      const token = slots.token[slot]!
      if (tokens.some((other) => other === token || text.equal(other, token))) continue
      tokens.push(token)
      drawn.push(slot)
    }
    drawn.sort(byStrength(slots))
    for (const slot of drawn) chosen.push({ slots, slot, interval })
  }
  return chosen
}
