/**
 * AuxK: dead latents learn to explain what the reconstruction leaves, `weight mean_t ||e_hat - e||^2` with `e = y - recon` held
 * constant and `e_hat = relu(pre) W_dec` over the largest dead latents of each token.
 * Source: arXiv:2406.04093, appendix A.2. Deviation: each shard chooses its own share of the latents.
 */
import { keepLargest } from './largest.ts'
import { addOuter, addTimesRows, dotRows, meanSquaredDistance } from './linear.ts'
import type { AuxShare, OracleLoss, OracleParameters, OracleSae, OracleValues } from './types.ts'

/** `aux_k` latents a token dealt to shards in proportion to their width, each share rounded up. */
export function auxShares(
  ranges: readonly { readonly first: number; readonly width: number }[],
  aux_k: number,
): AuxShare[] {
  const d_sae = ranges.reduce((sum, { width }) => sum + width, 0)
  return ranges.map(({ first, width }) => ({
    ...{ first, width },
    k: Math.ceil((aux_k * width) / d_sae),
  }))
}

/** relu(pre) of the chosen dead latents [n, d_sae], 0 elsewhere. */
function auxActs(
  { d_sae }: OracleSae,
  { n, pre }: Pick<OracleValues, 'n' | 'pre'>,
  { dead, aux }: OracleLoss,
): Float64Array {
  const chosen = new Float64Array(pre.length)
  for (let t = 0; t < n; t++) {
    for (const { first, width, k } of aux?.shares ?? []) {
      const at = t * d_sae + first
      const ofDead = pre
        .slice(at, at + width)
        .map((z, i) => (dead?.[first + i] ? z : Number.NEGATIVE_INFINITY))
      chosen.set(keepLargest(ofDead, k), at)
    }
  }
  return chosen
}

/** The loss, 0 as long as no latent is dead. */
export function auxLoss(sae: OracleSae, values: OracleValues, loss: OracleLoss): number {
  if (!loss.aux || !loss.dead?.some(Boolean)) return 0
  const e_hat = auxRecon(sae, auxActs(sae, values, loss), values.n)
  return loss.aux.weight * meanSquaredDistance(e_hat, values.held.residual, values.n)
}

/**
 * Adds to the gradient of W_dec.
 * @returns d AuxK / d pre [n, d_sae].
 */
export function auxBackward(
  sae: OracleSae,
  values: OracleValues,
  loss: OracleLoss,
  g: OracleParameters,
): Float64Array {
  const { d_sae, d_out, parameters } = sae
  const { n, pre, held } = values
  if (!loss.aux || !loss.dead?.some(Boolean)) return new Float64Array(pre.length)
  const { weight } = loss.aux
  const chosen = auxActs(sae, values, loss)
  const e_hat = auxRecon(sae, chosen, n)
  const g_recon = e_hat.map((v, j) => (2 * weight * (v - held.residual[j]!)) / n)
  addOuter(g.W_dec, chosen, g_recon, { d: d_out, m: d_sae })
  const g_acts = dotRows(g_recon, parameters.W_dec, d_out)
  return g_acts.map((v, j) => (chosen[j]! > 0 ? v : 0))
}

function auxRecon(
  { d_out, d_sae, parameters }: OracleSae,
  acts: Float64Array,
  n: number,
): Float64Array {
  const e_hat = new Float64Array(n * d_out)
  addTimesRows(e_hat, acts, parameters.W_dec, { d: d_out, m: d_sae })
  return e_hat
}
