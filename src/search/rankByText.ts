/** Search by a text: latents ranked by how strongly chosen tokens of it activate them, over many SAEs at once. */
import type { Model } from '../model/index.ts'
import {
  type ActScale,
  counted,
  denseWords,
  densityFilter,
  type Found,
  openSite,
  readText,
  type SearchSite,
  unitsOf,
} from './sites.ts'

export type TextHit = Found & {
  /** Over the chosen tokens, the largest or the mean, in the SAE's own units. */
  readonly act: number
  /** `act` as a share of the latent's maximum in the corpus; absent where that is not known. */
  readonly strength?: number
  /** The chosen token where it is largest. */
  readonly token: number
}

export type TextRanking = {
  readonly ids: Int32Array
  /** The tokens that latents were ranked over, ascending. */
  readonly chosen: number[]
  /** Latents that are active on any of them. */
  readonly n_total: number
  readonly hits: TextHit[]
  readonly left_out: string[]
}

/**
 * Latents by `max` or `mean` of their activation over the chosen tokens, largest first.
 * @param options.tokens positions; all that are not special where absent. Special tokens (BOS) are never read: SAEs are not trained on them.
 * @param options.most hits returned.
 * @throws RangeError if a chosen token is not of this text.
 */
export async function rankByText(
  model: Model,
  sites: readonly SearchSite[],
  options: {
    text: string
    tokens?: readonly number[] | undefined
    by: 'max' | 'mean'
    scale: ActScale
    max_density: number
    most: number
    signal?: AbortSignal
  },
): Promise<TextRanking> {
  const { by, scale, max_density, most, signal } = options
  const text = await readText(model, sites, options.text, signal)
  const asked = new Set(options.tokens ?? text.ids.keys())
  for (const token of asked)
    if (!Number.isInteger(token) || token < 0 || token >= text.ids.length)
      throw new RangeError(`token ${token}: the text has tokens 0 to ${text.ids.length - 1}`)
  const chosen = [...asked].filter((token) => !text.special[token]).sort((a, b) => a - b)
  const left_out = [...text.left_out]
  const n_special = text.special.filter(Boolean).length
  if (n_special > 0) left_out.push(`${counted(n_special, 'special token')}: shown, not read`)

  const hits: TextHit[] = []
  const dense = { n: 0 }
  let n_total = 0
  for (const site of sites) {
    signal?.throwIfAborted()
    const open = await openSite(site, left_out)
    const unit = open && unitsOf(site, open, scale, left_out)
    if (!open || !unit) continue
    const acts = await text.encode(site, open)
    const isKept = densityFilter(open, max_density, dense)
    const active = new Map<number, { sum: number; max: number; token: number }>()
    for (const token of chosen)
      for (let entry = acts.row_start[token]!; entry < acts.row_start[token + 1]!; entry++) {
        const index = acts.index[entry]!
        if (!isKept(index)) continue
        const act = acts.value[entry]!
        const so_far = active.get(index)
        if (!so_far) active.set(index, { sum: act, max: act, token })
        else {
          so_far.sum += act
          if (act > so_far.max) Object.assign(so_far, { max: act, token })
        }
      }
    n_total += active.size
    for (const [index, { sum, max, token }] of active) {
      const act = by === 'max' ? max : sum / chosen.length
      const max_act = open.measured?.max_act[index] ?? 0
      const strength = max_act > 0 ? { strength: act / max_act } : {}
      hits.push({ sae: site.id, hook: site.hook, index, act, ...strength, token })
    }
  }
  const amount = (hit: TextHit): number => (scale === 'act' ? hit.act : (hit.strength ?? 0))
  hits.sort((a, b) => amount(b) - amount(a) || a.index - b.index)
  left_out.push(...denseWords(dense.n, max_density))
  return { ids: text.ids, chosen, n_total, hits: hits.slice(0, most), left_out }
}
