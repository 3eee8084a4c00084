/**
 * A latent's family: latents of the suite whose decoder directions are near, followed from layer to layer.
 *
 * 1. Its stored neighbours in its own and the other sites with a cosine of at least MIN_COSINE.
 * 2. Of each of those in other sites the nearest that it knows in every further site, likewise.
 * 3. The nearest to the family are kept, N_MEMBERS at most; edges are all stored neighbours among them.
 */
import type { LatentRecord } from '../latents/index.ts'

/** Below it two directions share little: in 256 dimensions the nearest of 2,000 random ones lies at about 0.22. */
export const MIN_COSINE = 0.3
const N_MEMBERS = 20

/** A latent by its place. */
export type Member = { readonly sae: string; readonly hook: string; readonly index: number }

/** Members, the one asked for first, and who is near whom; `from` and `to` are places in `members`. */
export type Family = {
  readonly members: readonly Member[]
  readonly edges: readonly { readonly from: number; readonly to: number; readonly cosine: number }[]
}

type Near = Member & { readonly cosine: number }

/**
 * The family of a latent.
 * @param neighboursOf the stored neighbours of a latent; none where its SAE is gone or not indexed.
 */
export async function latentFamily(
  self: Member,
  neighboursOf: (member: Member) => Promise<readonly Near[]>,
): Promise<Family> {
  const known = new Map<string, readonly Near[]>()
  const near = async (member: Member): Promise<readonly Near[]> => {
    const list =
      known.get(keyOf(member)) ??
      (await neighboursOf(member)).filter(({ cosine }) => cosine >= MIN_COSINE)
    known.set(keyOf(member), list)
    return list
  }
  const found = new Map<string, Near>()
  const meet = (one: Near) => {
    const before = found.get(keyOf(one))
    if (keyOf(one) !== keyOf(self) && one.cosine > (before?.cosine ?? 0)) found.set(keyOf(one), one)
  }
  const first = await near(self)
  for (const one of first) meet(one)
  for (const one of first) {
    if (one.hook === self.hook) continue
    const seen = new Set([self.hook, one.hook])
    for (const next of await near(one)) {
      if (seen.has(next.hook)) continue
      seen.add(next.hook)
      meet({ ...next, cosine: Math.min(one.cosine, next.cosine) })
    }
  }
  const members = [
    self,
    ...[...found.values()].sort((a, b) => b.cosine - a.cosine).slice(0, N_MEMBERS),
  ].map(({ sae, hook, index }) => ({ sae, hook, index }))
  const place = new Map(members.map((member, i) => [keyOf(member), i]))
  const edges = new Map<string, Family['edges'][number]>()
  for (const [from, member] of members.entries()) {
    for (const other of await near(member)) {
      const to = place.get(keyOf(other))
      if (to === undefined) continue
      const [a, b] = from < to ? [from, to] : [to, from]
      edges.set(`${a} ${b}`, { from: a, to: b, cosine: other.cosine })
    }
  }
  return { members, edges: [...edges.values()] }
}

const keyOf = ({ sae, index }: Member): string => `${sae}/${index}`

/** The neighbours in a record, each with its SAE; those of a site without one are left out. */
export function namedNeighbours(
  { neighbours }: Pick<LatentRecord, 'neighbours'>,
  saeAt: (hook: string) => { readonly id: string } | undefined,
): Near[] {
  return neighbours.flatMap(({ hook, index, cosine }) => {
    const sae = saeAt(hook)?.id
    return sae === undefined ? [] : { sae, hook, index, cosine }
  })
}
