/** Search by a direction: latents by the cosine of their decoder rows with a vector. */
import { outputSite, type Sae } from '../sae/index.ts'
import { counted, type Found, openSite, type SearchSite } from './sites.ts'

export type NearestHit = Found & { readonly cosine: number }

/** The decoder row of a latent [d_out]. @throws RangeError if there is no such latent. */
export function decoderRow(sae: Sae, index: number): Float32Array {
  if (!Number.isInteger(index) || index < 0 || index >= sae.d_sae)
    throw new RangeError(`latent ${index}: ${sae.hook_name} has latents 0 to ${sae.d_sae - 1}`)
  const { d } = outputSite(sae)
  return sae.W_dec.slice(index * d, (index + 1) * d)
}

/**
 * Latents of all sites that write into the space of the vector, largest cosine first; sites of other spaces are left out in words.
 * @param vector [d_out], of any length but 0 as a vector.
 * @param options.like the latent that writes the vector, where it is one's; it is not among the hits.
 * @throws RangeError if the vector is 0 or fits no site.
 */
export async function nearestLatents(
  sites: readonly SearchSite[],
  vector: Float32Array,
  options: { most: number; like?: Found | undefined; signal?: AbortSignal },
): Promise<{ n_total: number; hits: NearestHit[]; left_out: string[] }> {
  const { most, like, signal } = options
  const norm = Math.hypot(...vector)
  if (!(norm > 0 && Number.isFinite(norm)))
    throw new RangeError(`the vector has length ${norm}, expected a finite one that is not 0`)
  const { shared, left_out } = sitesOfOneSpace(sites, like?.hook)
  const widths = new Map<number, number>()
  const hits: NearestHit[] = []
  let n_total = 0
  for (const site of shared) {
    signal?.throwIfAborted()
    const open = await openSite(site, left_out)
    if (!open) continue
    const { sae } = open.runner
    const { d } = outputSite(sae)
    if (d !== vector.length) {
      widths.set(d, (widths.get(d) ?? 0) + 1)
      continue
    }
    n_total += sae.d_sae
    const cosines = cosinesOf(sae, d, vector, norm)
    for (const index of largest(cosines, most + 1))
      if (!(like?.sae === site.id && like.index === index))
        hits.push({ sae: site.id, hook: site.hook, index, cosine: cosines[index]! })
  }
  if (n_total === 0 && widths.size > 0)
    throw new RangeError(
      `the vector has ${vector.length} numbers, expected ${[...widths.keys()].join(' or ')} as the sites have`,
    )
  for (const [d, n] of widths)
    left_out.push(`${counted(n, 'SAE')} of width ${d}, not ${vector.length}`)
  hits.sort((a, b) => b.cosine - a.cosine || a.index - b.index)
  return { n_total, hits: hits.slice(0, most), left_out }
}

/** Every layer's z is a space of its own: a latent is compared with that very site alone, a vector only where no other site is asked. */
function sitesOfOneSpace(
  sites: readonly SearchSite[],
  like: string | undefined,
): { shared: readonly SearchSite[]; left_out: string[] } {
  const isOwn = (hook: string) => hook.endsWith('attn.hook_z')
  const n_hooks = new Set(sites.map(({ hook }) => hook)).size
  const shared = sites.filter(({ hook }) =>
    like !== undefined && (isOwn(like) || isOwn(hook))
      ? hook === like
      : n_hooks === 1 || !isOwn(hook),
  )
  const n_left = n_hooks - new Set(shared.map(({ hook }) => hook)).size
  return { shared, left_out: n_left > 0 ? [`${counted(n_left, 'site')} of another space`] : [] }
}

function cosinesOf(sae: Sae, d: number, vector: Float32Array, norm: number): Float32Array {
  const cosines = new Float32Array(sae.d_sae)
  for (let index = 0; index < sae.d_sae; index++) {
    let dot = 0
    let squares = 0
    for (let i = 0, at = index * d; i < d; i++, at++) {
      const w = sae.W_dec[at]!
      dot += w * vector[i]!
      squares += w * w
    }
    cosines[index] = squares > 0 ? dot / (norm * Math.sqrt(squares)) : 0
  }
  return cosines
}

const largest = (values: Float32Array, most: number): number[] =>
  [...values.keys()].sort((a, b) => values[b]! - values[a]!).slice(0, most)
