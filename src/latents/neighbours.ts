/**
 * Nearest latents by the cosine of their decoder directions: within an SAE, and in the other sites of its suite.
 *
 * Across sites only directions of the same space are compared: all sites but `attn.hook_z` write to or read from the residual
 * stream; z has a space of its own in every layer. A transcoder's directions are those of the site it writes. Where a suite has several SAEs a site, each is compared with those of the
 * same width and the same rank among the SAEs of that width at their site (in a suite's order: the same L0).
 */

import type { HookName } from '../model/index.ts'
import { outputSite, type Sae } from '../sae/index.ts'
import { extremeProducts, type Multiply } from './product.ts'
import type { LatentColumns } from './types.ts'

/** Neighbours kept within the SAE, and as many in other sites. */
export const N_NEAR = 8
export const N_NEIGHBOURS = 2 * N_NEAR

type NeighbourColumns = Pick<
  LatentColumns,
  'neighbour_site' | 'neighbour_index' | 'neighbour_cosine'
>

/**
 * Neighbours of every latent of every SAE: N_NEAR of its own site first, then N_NEAR of other sites, each nearest first.
 * Memory: the directions once more, one block of their products.
 * @returns for each SAE columns [d_sae, N_NEIGHBOURS]; `neighbour_site` is an index into `saes`, -1 where there are fewer.
 */
export async function findNeighbours(
  saes: readonly Sae[],
  multiply: Multiply,
  signal?: AbortSignal,
): Promise<NeighbourColumns[]> {
  const directions = saes.map(unitRows)
  const columns: NeighbourColumns[] = []
  const options = { n_largest: N_NEAR, n_smallest: 0, ...(signal === undefined ? {} : { signal }) }
  for (const [a, sae] of saes.entries()) {
    const { d } = outputSite(sae)
    const own = await extremeProducts(multiply, directions[a]!, directions[a]!, {
      ...options,
      d,
      skip_diagonal: true,
    })
    const nearest = emptyColumns(sae.d_sae)
    place(nearest, 0, [{ site: a, ...own.largest }])
    const others: Candidates[] = []
    for (const b of saes.keys()) {
      if (!areComparable(saes, a, b)) continue
      const { largest } = await extremeProducts(multiply, directions[a]!, directions[b]!, {
        ...options,
        d,
      })
      others.push({ site: b, ...largest })
    }
    place(nearest, N_NEAR, others)
    columns.push(nearest)
  }
  return columns
}

/** Whether `findNeighbours` looks for neighbours of SAE `a` in SAE `b`. */
export function areComparable(saes: readonly Sae[], a: number, b: number): boolean {
  const [x, y] = [saes[a]!, saes[b]!]
  const [one, other] = [outputSite(x), outputSite(y)]
  const isOwnSpace = ({ hook }: { hook: HookName }) => hook.endsWith('attn.hook_z')
  return (
    x.hook_name !== y.hook_name &&
    one.d === other.d &&
    x.d_sae === y.d_sae &&
    !isOwnSpace(one) &&
    !isOwnSpace(other) &&
    rank(saes, a) === rank(saes, b)
  )
}

function rank(saes: readonly Sae[], i: number): number {
  const { hook_name, d_sae } = saes[i]!
  return saes.slice(0, i).filter((sae) => sae.hook_name === hook_name && sae.d_sae === d_sae).length
}

/** The nearest latents of one SAE: [d_sae, N_NEAR]. */
type Candidates = {
  readonly site: number
  readonly index: Int32Array
  readonly value: Float32Array
}

/** Writes the N_NEAR nearest of all candidates from column `first` on. */
function place(columns: NeighbourColumns, first: number, candidates: readonly Candidates[]): void {
  const d_sae = columns.neighbour_site.length / N_NEIGHBOURS
  for (let latent = 0; latent < d_sae; latent++) {
    const all = candidates.flatMap(({ site, index, value }) =>
      Array.from({ length: N_NEAR }, (_, i) => ({
        site,
        index: index[latent * N_NEAR + i]!,
        cosine: value[latent * N_NEAR + i]!,
      })),
    )
    const nearest = all.filter(({ index }) => index >= 0).sort((a, b) => b.cosine - a.cosine)
    for (const [i, { site, index, cosine }] of nearest.slice(0, N_NEAR).entries()) {
      const at = latent * N_NEIGHBOURS + first + i
      columns.neighbour_site[at] = site
      columns.neighbour_index[at] = index
      columns.neighbour_cosine[at] = cosine
    }
  }
}

function emptyColumns(d_sae: number): NeighbourColumns {
  const n = d_sae * N_NEIGHBOURS
  return {
    neighbour_site: new Int32Array(n).fill(-1),
    neighbour_index: new Int32Array(n).fill(-1),
    neighbour_cosine: new Float32Array(n),
  }
}

/** W_dec with rows of norm 1; a row of zeros stays. */
function unitRows(sae: Sae): Float32Array {
  const { W_dec, d_sae } = sae
  const { d } = outputSite(sae)
  const rows = W_dec.slice()
  for (let i = 0; i < d_sae; i++) {
    const row = rows.subarray(i * d, (i + 1) * d)
    const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0))
    if (norm > 0) for (let k = 0; k < d; k++) row[k]! /= norm
  }
  return rows
}
