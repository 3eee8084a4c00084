/** Absorption: the latent of a general feature falls silent where a special one speaks for it. */
import type { SparseActs } from '../sae/index.ts'
import type { Matching } from './recovery.ts'
import type { Features } from './types.ts'

/** A pair is judged where latents for both its features were found, at least this near. */
const FOUND_COSINE = 0.5

/** Shares of tokens, pooled over families. */
export type Absorption = {
  /** Of the tokens on which a child's latent fires for its child: those on which the parent's latent is silent. */
  readonly absorbed: number
  /** The same where the parent is on alone, without a child: what `absorbed` would be if children changed nothing. */
  readonly silent_alone: number
  /** Parents with a child that could be judged. */
  readonly n_parents: number
}

/**
 * How often a child's latent takes the place of its parent's. The parent is on wherever its child is, so a latent that stands for the
 * parent should fire; a sparse dictionary is rewarded for leaving it out and adding the parent's direction to the child's.
 * After: Chanin et al., "A is for Absorption", arXiv:2409.14507, whose features have to be probed for; here they are known.
 * @returns absent where no pair can be judged: no families, none found, or no token with the child's latent or the parent alone.
 */
export function absorption(
  { latent, cosine }: Matching,
  { parent }: Features,
  features: SparseActs,
  acts: SparseActs,
): Absorption | undefined {
  const isFound = (i: number) => cosine[i]! >= FOUND_COSINE
  const judged = Array.from(parent.keys()).filter(
    (i) => parent[i]! >= 0 && isFound(i) && isFound(parent[i]!),
  )
  const parents = new Set(judged.map((i) => parent[i]!))
  const isJudged = new Set(judged)
  let [speaks, absorbed, alone, silent] = [0, 0, 0, 0]
  for (let token = 0; token < features.n; token++) {
    const active = acts.index.subarray(acts.row_start[token], acts.row_start[token + 1])
    const on = features.index.subarray(features.row_start[token], features.row_start[token + 1])
    const fires = (i: number) => active.includes(latent[i]!)
    const withChild = new Set<number>()
    for (const i of on) {
      if (parent[i]! < 0) continue
      withChild.add(parent[i]!)
      if (!isJudged.has(i) || !fires(i)) continue
      speaks++
      if (!fires(parent[i]!)) absorbed++
    }
    for (const i of on) {
      if (!parents.has(i) || withChild.has(i)) continue
      alone++
      if (!fires(i)) silent++
    }
  }
  if (speaks === 0 || alone === 0) return undefined
  return { absorbed: absorbed / speaks, silent_alone: silent / alone, n_parents: parents.size }
}
