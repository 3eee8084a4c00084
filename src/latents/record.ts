/** One latent's measurements put together from an index's flat columns, and how wide those columns are. */

import { histogramOf, N_BINS } from './bins.ts'
import { N_TOP_TOKENS } from './examples.ts'
import { N_LOGITS } from './logits.ts'
import { N_NEIGHBOURS } from './neighbours.ts'
import { N_POSITION_BINS, positionsOf } from './positions.ts'
import type { LatentColumns, LatentExample, LatentIndexInfo, LatentRecord } from './types.ts'

/** Columns with this many numbers a latent. */
export const LATENT_WIDTHS = {
  n_active: 1,
  max_act: 1,
  mean_act: 1,
  histogram: N_BINS,
  top_token_id: N_TOP_TOKENS,
  top_token_count: N_TOP_TOKENS,
  top_logit_id: N_LOGITS,
  top_logit_effect: N_LOGITS,
  bottom_logit_id: N_LOGITS,
  bottom_logit_effect: N_LOGITS,
  neighbour_site: N_NEIGHBOURS,
  neighbour_index: N_NEIGHBOURS,
  neighbour_cosine: N_NEIGHBOURS,
} as const satisfies Partial<Record<keyof LatentColumns, number>>

/** Columns of examples: one number an example, or lists whose borders another column holds. */
export const EXAMPLE_COLUMNS = [
  'example_interval',
  'example_doc',
  'example_start',
  'example_peak',
] as const satisfies readonly (keyof LatentColumns)[]

/**
 * One latent's record.
 * @param i its row in `columns`; @param index its index in the SAE, where `columns` hold only some latents.
 * @throws RangeError if there is no such row.
 */
export function latentRecord(
  info: LatentIndexInfo,
  columns: LatentColumns,
  i: number,
  index: number = i,
): LatentRecord {
  const n_latents = columns.n_active.length
  if (!Number.isInteger(i) || i < 0 || i >= n_latents) {
    throw new RangeError(`latentRecord: latent ${i} asked, expected 0 to ${n_latents - 1}.`)
  }
  const n_active = columns.n_active[i]!
  const max_act = columns.max_act[i]!
  const { position, position_tokens } = columns
  const examples: LatentExample[] = []
  for (let e = columns.example_first[i]!; e < columns.example_first[i + 1]!; e++) {
    examples.push(exampleOf(columns, e))
  }
  return {
    index,
    density: info.n_tokens === 0 ? 0 : n_active / info.n_tokens,
    n_active,
    max_act,
    mean_act: columns.mean_act[i]!,
    histogram: histogramOf(row(columns, 'histogram', i), max_act),
    ...(position && position_tokens
      ? {
          positions: positionsOf(
            position.subarray(i * N_POSITION_BINS, (i + 1) * N_POSITION_BINS),
            position_tokens,
          ),
        }
      : {}),
    examples,
    top_logits: logitsOf(row(columns, 'top_logit_id', i), row(columns, 'top_logit_effect', i)),
    bottom_logits: logitsOf(
      row(columns, 'bottom_logit_id', i),
      row(columns, 'bottom_logit_effect', i),
    ),
    neighbours: neighboursOf(info, columns, i),
  }
}

/** Row i of a column with several numbers a latent. */
function row<K extends keyof typeof LATENT_WIDTHS>(
  columns: LatentColumns,
  name: K,
  i: number,
): Int32Array | Float32Array {
  const width = LATENT_WIDTHS[name]
  return columns[name].subarray(i * width, (i + 1) * width)
}

function exampleOf(columns: LatentColumns, e: number): LatentExample {
  const ids = columns.ids.slice(columns.ids_first[e], columns.ids_first[e + 1])
  const values = new Float32Array(ids.length)
  for (let a = columns.active_first[e]!; a < columns.active_first[e + 1]!; a++) {
    values[columns.active_at[a]!] = columns.active_value[a]!
  }
  return {
    interval: columns.example_interval[e]!,
    doc: columns.example_doc[e]!,
    start: columns.example_start[e]!,
    peak: columns.example_peak[e]!,
    ids,
    values,
  }
}

function logitsOf(
  ids: ArrayLike<number>,
  effects: ArrayLike<number>,
): { id: number; effect: number }[] {
  return Array.from(ids, (id, k) => ({ id, effect: effects[k]! })).filter(({ id }) => id >= 0)
}

function neighboursOf(info: LatentIndexInfo, columns: LatentColumns, i: number) {
  const index = row(columns, 'neighbour_index', i)
  const cosine = row(columns, 'neighbour_cosine', i)
  return Array.from(row(columns, 'neighbour_site', i), (site, k) => ({
    site,
    index: index[k]!,
    cosine: cosine[k]!,
  }))
    .filter(({ site }) => site >= 0)
    .map(({ site, ...rest }) => ({ hook: info.sites[site]!, ...rest }))
}
